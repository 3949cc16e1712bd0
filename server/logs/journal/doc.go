// Package journal is the write-ahead log of the log store: batches of lines, in files of bounded size, on disk before
// [Journal.Append] returns.
//
// # Durability
//
// Many callers share one fsync. It starts at once when the last one is long enough ago ([Options.Every]), else as soon as
// it is: a single caller hardly waits, and many of them never cause more than so many fsyncs each second. What waits is
// bounded; beyond that, callers are refused with [ErrFull].
//
// # Files
//
// A file begins with a header, written twice, and then holds records, one for each batch:
//
//	file    header header record record …
//	header  "gabionJ\n", version, number of the file, sequence of its first record, salt, CRC-32C
//	record  "\xf7GJR", length, lines, codec, CRC-32C of the payload, sequence, CRC-32C of this header
//
// Records are numbered without a gap through all files, so what is missing can be counted. The CRC of a record's header
// starts from the file's random salt and from where the record stands: bytes of a line that look like a record, by chance or
// on purpose, are never taken for one. Numbers of fixed width are little-endian; the payload (see package packed) is made of
// varints, and compressed with S2 when that helps.
//
// # After a crash
//
// The end of the last file may hold a record that was not written to its end. Nobody was told that it was, so [Open] cuts
// it. All else that cannot be read is a [DamageError]: [Journal.Replay] tells which file, which bytes and how many records, and
// goes on with the next record that is whole. A failed write is undone before the next one starts; a file whose fsync failed
// gets no further records, because the kernel may have forgotten what it could not write.
package journal
