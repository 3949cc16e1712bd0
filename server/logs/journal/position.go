package journal

import (
	"cmp"
	"fmt"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// Position is a place in the journal: between two records. The zero value is before the first one.
type Position struct {
	// File is the number of the file; the first is 1.
	File uint64 `json:"file"`
	// Offset is in bytes from the start of the file.
	Offset int64 `json:"offset"`
}

// Compare returns -1 when p is before q, +1 when it is after q, and 0 when they are the same.
func (p Position) Compare(q Position) int {
	return cmp.Or(cmp.Compare(p.File, q.File), cmp.Compare(p.Offset, q.Offset))
}

// String returns "file:offset".
func (p Position) String() string { return fmt.Sprintf("%d:%d", p.File, p.Offset) }

// Record is one batch, as it was given to [Journal.Append].
type Record struct {
	// Start is where the record begins, End where it ends: replaying from End gives what comes after it.
	Start, End Position
	// Sequence is the number of the record. Each has the number of the one before, and one more.
	Sequence uint64
	// Entries are the lines. An entry without attributes has nil Attrs. Their texts share memory: one that is kept for long
	// keeps that of the whole batch.
	Entries []entry.Entry
}

// DamageError is the error for a part of the journal that cannot be read.
type DamageError struct {
	// File is the path of the file.
	File string
	// From and To are the first byte that is lost and the one after the last. They are the same when bytes are missing
	// there.
	From, To int64
	// Records is how many records are lost.
	Records uint64
	// More says that Records is only what is certain: it may be more, and, at the end of the last file, also a write that a
	// power cut interrupted before anybody was told that it was done.
	More bool
	// IntactRecords and IntactBytes are what can be read after the damage, in the same file.
	IntactRecords int
	IntactBytes   int64
	// Cause is what is wrong with the first of the bytes.
	Cause string
}

// Error tells it all.
func (d *DamageError) Error() string {
	least := ""
	if d.More {
		least = "at least "
	}
	return fmt.Sprintf("journal: %s is damaged from byte %d to %d: %s; %s%d records are lost; after it, %d records (%d bytes) in this file are intact",
		d.File, d.From, d.To, d.Cause, least, d.Records, d.IntactRecords, d.IntactBytes)
}
