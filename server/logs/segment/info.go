package segment

import (
	"errors"
	"fmt"
	"time"
)

// The names of the two files of a segment end with these.
const (
	Suffix        = ".parquet"
	SidecarSuffix = ".index"
)

// ErrIncomplete is returned by [Open] when the sidecar is missing, damaged, of an unknown version or of another file. [Rebuild] helps.
var ErrIncomplete = errors.New("segment: no valid sidecar")

// ErrOrder is returned by [Write] when the lines are not sorted by service and time.
var ErrOrder = errors.New("segment: lines are not sorted by service and time")

// Info is what a segment says about itself.
type Info struct {
	// Path is that of the Parquet file.
	Path string
	// Lines is how many there are.
	Lines int64
	// MinTime and MaxTime are the times of the oldest and the newest line, both included, in nanoseconds since 1970, UTC.
	MinTime, MaxTime int64
	// Levels are those that occur.
	Levels Levels
	// Bytes is the size of both files.
	Bytes int64
}

// DamageError says which lines cannot be read because the file has changed since it was written.
type DamageError struct {
	// Path is that of the Parquet file.
	Path string
	// Part is what is damaged, such as "column msg" or "word filter".
	Part string
	// FirstRow and Rows are the lines concerned; Rows is 0 when no line is lost.
	FirstRow, Rows int64
	// MinTime and MaxTime are the times of the oldest and the newest of them.
	MinTime, MaxTime int64
	// FirstService and LastService are the first and the last of their services by name.
	FirstService, LastService string
	// Err is the cause.
	Err error
}

// Error names the part and the range.
func (e *DamageError) Error() string {
	if e.Rows == 0 {
		return fmt.Sprintf("segment: %s of %s is damaged, no line is lost: %v", e.Part, e.Path, e.Err)
	}
	at := func(t int64) string { return time.Unix(0, t).UTC().Format(time.RFC3339) }
	return fmt.Sprintf("segment: %s of %s is damaged: %d lines of %q to %q from %s to %s (rows from %d) cannot be read; restore the file from a backup: %v",
		e.Part, e.Path, e.Rows, e.FirstService, e.LastService, at(e.MinTime), at(e.MaxTime), e.FirstRow, e.Err)
}

// Unwrap returns the cause.
func (e *DamageError) Unwrap() error { return e.Err }

var (
	errChecksum = errors.New("the checksum differs")
	errDecode   = errors.New("it cannot be decoded")
)
