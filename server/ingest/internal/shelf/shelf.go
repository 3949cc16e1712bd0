// Package shelf is a sink for the tests of the ways in.
package shelf

import (
	"context"

	"github.com/gabion-io/gabion/server/ingest"
	"github.com/gabion-io/gabion/server/logs/entry"
)

// Shelf keeps the lines that it is given.
type Shelf struct {
	Lines []entry.Entry
	// Err is what Append returns. Lines are kept when there is none, or one that says that some of them were dropped.
	Err error
}

// Append implements [ingest.Sink].
func (s *Shelf) Append(_ context.Context, _ string, lines []entry.Entry) error {
	if _, whole := ingest.Partial(s.Err); whole == nil {
		s.Lines = append(s.Lines, lines...)
	}
	return s.Err
}
