// Package segment keeps lines of a log in immutable files: one Parquet file, which any Parquet tool reads, and one sidecar, which makes
// searching fast and damage visible.
//
// # The Parquet file
//
// NAME.parquet has the columns ts, level, service, handler, instance, trace_id, span_id, msg and attrs, the last one as the text of a JSON
// object. Rows are sorted by service, then by time. A row group has at most 16,384 rows or 8 MiB of text. Parquet's texts are UTF-8; a byte
// that is not is written as the private character U+10FF00 plus the byte, and such a character byte by byte in the same way, so what is read is exactly what was written.
// Each column of a row group is one page; level, service, handler and instance have a dictionary before it, and a page without one after it from where there
// are more than 1,024 different values.
//
// # The sidecar
//
// NAME.index has, for each row group: its first and last service, its times, its levels, where each column lies and its CRC-32C, a bloom filter of
// the words in message and attributes and one of the trace IDs, and how many lines it has by service, handler, instance and level; and a copy of the footer of the Parquet file. It is written last and put in place by a
// rename, so a Parquet file without a valid sidecar is an incomplete segment; [Rebuild] makes the sidecar anew.
//
// # Damage
//
// What is read is checked before it is decoded. A row group that is damaged is reported as a [DamageError] with its rows, times and services; the
// others still answer. A damaged filter prunes nothing; instead of damaged counts, columns are read. A damaged footer is replaced by its copy.
//
// The bloom filter knows whole words, as [entry.Words] gives them. It can tell that a row group does not have the word "order"; it can tell
// nothing about texts in which "rde" occurs. Who looks for a part of a word must not put it into [Query.Terms].
package segment
