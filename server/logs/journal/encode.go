package journal

import (
	"errors"
	"hash/crc32"
	"sync"

	"github.com/klauspost/compress/s2"

	"github.com/gabion-io/gabion/server/logs/entry"
	"github.com/gabion-io/gabion/server/logs/internal/packed"
)

// MaxBatch is how many bytes the entries of one batch may take in memory, by [entry.Entry.Size]. It bounds a record, and
// what reading one may take.
const MaxBatch = packed.MaxSize

// scratches have the memory that encoding needs, to be used again.
var scratches = sync.Pool{New: func() any { return new([]byte) }}

// keepBytes bounds the memory that is kept.
const keepBytes = 1 << 20

// encodeRecord returns the whole record. Its head lacks what is known only when it gets its place: the head is returned for
// that, too.
func encodeRecord(lines *packed.Lines) ([]byte, recordHead) {
	scratch := scratches.Get().(*[]byte) //nolint:forcetypeassert // nothing else is in the pool
	raw := lines.Payload()
	codec, body := plain, raw
	if n := s2.MaxEncodedLen(len(raw)); cap(*scratch) < n {
		*scratch = make([]byte, n)
	}
	if short := s2.Encode((*scratch)[:cap(*scratch)], raw); len(short) < len(raw)-len(raw)/8 {
		codec, body = compressed, short
	}
	record := make([]byte, recordHeadSize+len(body)) // of its exact size, because it has to wait
	copy(record[recordHeadSize:], body)
	head := recordHead{length: len(body), count: lines.Len(), codec: codec, sum: crc32.Checksum(body, castagnoli)}
	if cap(*scratch) <= keepBytes {
		scratches.Put(scratch)
	}
	return record, head
}

// errPayload says that a payload is not one that this package wrote.
var errPayload = errors.New("the payload cannot be decoded")

// decodePayload reads a payload of that many lines. Whatever the bytes are, it takes not much more memory than [MaxBatch].
func decodePayload(codec byte, count int, stored []byte) ([]entry.Entry, error) {
	switch codec {
	case plain:
		return packed.Unpack(stored, count)
	case compressed:
		n, err := s2.DecodedLen(stored)
		if err != nil || n > MaxBatch {
			return nil, errPayload
		}
		raw, err := s2.Decode(nil, stored)
		if err != nil {
			return nil, errPayload
		}
		return packed.Unpack(raw, count)
	}
	return nil, errPayload
}
