// Package ingest is the ways in for log lines. Each way is a package below this one, turns what it gets into entries and
// gives them to a [Sink]. What they share is here: the sink and its errors, the [Guard] in front of it, and how a body
// that came over HTTP is read within bounds.
//
//	otlp  lokipush  bulk  jsonlines  syslog  tail  ──▶  Guard (quotas, bounds, counts)  ──▶  Sink
package ingest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// Sink takes lines. Producer is a name for people, such as the address of who sent them.
//
// Either all lines are taken, and Append returns nil, or none, with one exception: with a [*PartialError] all but those
// that it names are taken. The lines belong to the sink from the call on. An error that is neither [ErrFull] nor
// [ErrRefused] says that the sink is broken or the context has ended; the same lines may be sent again.
type Sink interface {
	Append(ctx context.Context, producer string, lines []entry.Entry) error
}

var (
	// ErrFull says that there is no room now. The same lines may be sent again later; a [*FullError] says when.
	ErrFull = errors.New("no room for lines now: send them again later")
	// ErrRefused says that lines will never be taken as they are, so sending them again is of no use.
	ErrRefused = errors.New("lines are refused")
	// ErrTooLarge says that a body is larger than allowed, packed or unpacked. It is a kind of [ErrRefused].
	ErrTooLarge = fmt.Errorf("%w: the body is too large", ErrRefused)
	// ErrEncoding says that a body is in a format or a compression that is not known. It is a kind of [ErrRefused].
	ErrEncoding = fmt.Errorf("%w: the format is not known", ErrRefused)
)

// FullError is [ErrFull] with the time to wait.
type FullError struct {
	// After is how long to wait before the next try. 0: not known.
	After time.Duration
	// Reason is what is full.
	Reason string
}

// Error says what is full.
func (e *FullError) Error() string { return e.Reason + ": send the lines again later" }

// Is makes it an [ErrFull].
func (e *FullError) Is(target error) bool { return target == ErrFull }

// PartialError says that some lines of a batch were dropped, and all others taken.
type PartialError struct {
	// Dropped is the index of each line that was dropped, in order.
	Dropped []int
	// Reason is why.
	Reason string
}

// Error says how many lines were dropped and why.
func (e *PartialError) Error() string {
	return strconv.Itoa(len(e.Dropped)) + " lines were dropped: " + e.Reason
}

// Is makes it an [ErrRefused]: who sends all lines again stores those twice that were taken.
func (e *PartialError) Is(target error) bool { return target == ErrRefused }

// Partial splits the error of [Sink.Append] in two: what was dropped out of a batch that was taken (nil when nothing
// was), and why the batch was not taken (nil when it was).
func Partial(err error) (*PartialError, error) {
	if some, ok := errors.AsType[*PartialError](err); ok {
		return some, nil
	}
	return nil, err
}

// RetryAfter is how long the sender of lines that were not taken should wait, in whole seconds, at least one.
func RetryAfter(err error) time.Duration {
	if full, ok := errors.AsType[*FullError](err); ok {
		return max((full.After + time.Second - 1).Truncate(time.Second), time.Second)
	}
	return time.Second
}

// Status is the HTTP status that says what an error means to the sender. It sets Retry-After when the sender should come
// again.
func Status(h http.Header, err error) int {
	switch {
	case errors.Is(err, ErrTooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, ErrEncoding):
		return http.StatusUnsupportedMediaType
	case errors.Is(err, ErrRefused):
		return http.StatusBadRequest
	}
	h.Set("Retry-After", strconv.Itoa(int(RetryAfter(err)/time.Second)))
	if errors.Is(err, ErrFull) {
		return http.StatusTooManyRequests
	}
	return http.StatusServiceUnavailable
}

// Retry says whether an error is one after which the same lines may be sent again.
func Retry(err error) bool { return err != nil && !errors.Is(err, ErrRefused) }
