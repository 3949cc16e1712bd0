// Package tier keeps metrics in two Prometheus databases: raw (every sample, for days) and long (roll-ups of five minutes
// and of one hour, for years). It guards them against what would break them, makes the roll-ups, and shows both as one.
//
// What goes in passes [Store.Append]. A sample is refused, and counted by producer and reason, when its time lies ahead of
// ours or too far back, when its labels are out of bounds, or when its service or its metric has too many series already.
// One such sample is no reason to refuse the others of its batch. When the disk is nearly full nothing is taken at all, and
// Append says so with [ErrFull]: a full disk would make the database panic.
//
// Roll-ups are sums, counts and histogram buckets of a step, never averages or percentiles: those cannot be added up
// later. A step is evaluated once, when no sample of it can arrive any more, and what was missed while the process was
// down is made up for from raw. The last sample of a step is its mark, in the same transaction, so that a crash neither
// loses a step nor counts it twice.
//
// Times of samples are milliseconds since 1970, as in Prometheus.
package tier
