// Package store keeps the lines of logs: a journal that makes them durable, a table in memory of what is not sealed yet, and
// segments in two tiers. The short tier has every line, the long one those that are worth keeping for years.
//
//	Append ──▶ journal (fsync) ──▶ memory ──seal──▶ short/  long/ ──merge──▶ fewer, larger segments
//	                                  │                │       │
//	           Select, Count ◀────────┴────────────────┴───────┘
//
// # Seals
//
// When there is enough in memory, or it has been there for long, it is sealed: written as one segment of each tier, and the
// journal is cut. Seals are numbered. The name of a segment has the numbers of the first and the last seal in it, when that
// last one was sealed (seconds since 1970), and from which file the journal goes on behind it:
//
//	FIRST-LAST-SEALED-JOURNAL.parquet
//
// Only neighbours are merged. So the names alone say, after a crash at any moment, which segments a merge has made
// superfluous, and what of the journal is in a segment already: no line is lost, and none is there twice.
//
// # Tiers
//
// A segment of the long tier is used for queries when the short one has none of its seals, any more or because it was damaged.
// Therefore the short tier drops whole hours of seals, and of what is newer no part of what was merged in the long one. How long lines are kept counts from when they
// were sealed: a wrong clock of who wrote them neither keeps them for ever nor drops them at once.
//
// # Damage
//
// What is damaged is left out, and everything else is found. It is reported once, see [Damage], and every query that would have had to look
// at it is told what it has to do without, see [logql.LeaveOut]: for as long as the segment is kept, and, when no file tells of it any more,
// from a file in which such losses are remembered.
package store
