package ingest

import (
	"fmt"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// maxRoom is how much memory the lines of one body may take, in bytes: about six times as much as the body of usual ones.
const maxRoom = 48 << 20

// Room bounds what becomes of one body: lines of a few bytes each, or with many fields that the body has only once, take
// many times as much memory as the body. The zero value is ready.
type Room struct{ used int }

// Take takes room for a line. The error is an [ErrTooLarge].
func (r *Room) Take(e *entry.Entry) error {
	if r.used += e.Size(); r.used > maxRoom {
		return fmt.Errorf("%w: its lines take more than %d MiB of memory: send fewer of them at a time", ErrTooLarge, maxRoom>>20)
	}
	return nil
}
