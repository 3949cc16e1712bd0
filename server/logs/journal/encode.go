package journal

import (
	"encoding/binary"
	"hash/crc32"
	"sync"

	"github.com/klauspost/compress/s2"

	"github.com/gabion-io/gabion/server/logs/entry"
	"github.com/gabion-io/gabion/server/logs/internal/recent"
)

// MaxBatch is how many bytes the entries of one batch may take in memory, by [entry.Entry.Size]. It bounds a record, and
// what reading one may take.
const MaxBatch = 16 << 20

// maxLines is how many entries that can be: none is smaller than an empty one.
var maxLines = uint32(MaxBatch / (&entry.Entry{}).Size())

// attrSize is what one attribute adds to the size of an entry.
var attrSize = (&entry.Entry{Attrs: make([]entry.Attr, 1)}).Size() - (&entry.Entry{}).Size()

// encoder is the memory that encoding needs, to be used again.
//
// The payload of a record, before it is compressed: the number of attributes of all lines, then for each line
//
//	time        signed varint, the difference to the line before
//	level       1 byte
//	service, instance, handler
//	            name: a varint, 0 for a new name, which follows as a text, n for the n-th of this payload
//	trace, span ID: a varint, 2n for n bytes of text, 2n+1 for n bytes that stand for 2n hexadecimal digits
//	message     text: varint of its length, and its bytes
//	attributes  varint of their number, then for each its name and a text
type encoder struct {
	raw, packed []byte
	names       map[string]uint64
	recent      recent.Table[uint64] // of names
	last        [4]nameAt            // of the line before, for those that repeat: services, and the names of the first attributes
}

type nameAt = recent.Slot[uint64]

var encoders = sync.Pool{New: func() any { return &encoder{names: map[string]uint64{}} }}

// keepNames and keepBytes bound the memory that an encoder keeps.
const (
	keepNames = 4096
	keepBytes = 1 << 20
)

// encodeRecord returns the whole record. Its head lacks what is known only when it gets its place: the head is returned for
// that, too.
func encodeRecord(entries []entry.Entry) ([]byte, recordHead) {
	e := encoders.Get().(*encoder)
	e.payload(entries)
	codec, body := plain, e.raw
	if n := s2.MaxEncodedLen(len(e.raw)); cap(e.packed) < n {
		e.packed = make([]byte, n)
	}
	if packed := s2.Encode(e.packed[:cap(e.packed)], e.raw); len(packed) < len(e.raw)-len(e.raw)/8 {
		codec, body = compressed, packed
	}
	record := make([]byte, recordHeadSize+len(body)) // of its exact size, because it has to wait
	copy(record[recordHeadSize:], body)
	head := recordHead{length: len(body), count: len(entries), codec: codec, sum: crc32.Checksum(body, castagnoli)}
	if len(e.names) <= keepNames && cap(e.raw) <= keepBytes {
		clear(e.names)
		e.recent.Clear()
		clear(e.last[:])
		encoders.Put(e)
	}
	return record, head
}

func (e *encoder) payload(entries []entry.Entry) {
	attrs := 0
	for i := range entries {
		attrs += len(entries[i].Attrs)
	}
	b := binary.AppendUvarint(e.raw[:0], uint64(attrs))
	before := int64(0)
	for i := range entries {
		l := &entries[i]
		b = binary.AppendVarint(b, l.Time-before) // may overflow, and does so again the other way when it is read
		before = l.Time
		b = append(b, byte(l.Level))
		b = e.again(b, 0, l.Service)
		b = e.name(b, l.Instance)
		b = e.name(b, l.Handler)
		b = appendID(b, l.Trace)
		b = appendID(b, l.Span)
		b = appendText(b, l.Message)
		b = binary.AppendUvarint(b, uint64(len(l.Attrs)))
		for i := range l.Attrs {
			b = e.again(b, 1+i, l.Attrs[i].Name)
			b = appendText(b, l.Attrs[i].Value)
		}
	}
	e.raw = b
}

// again appends a name that is likely that of the same place in the line before.
func (e *encoder) again(b []byte, place int, name string) []byte {
	if place >= len(e.last) {
		return e.name(b, name)
	}
	last := &e.last[place]
	if last.Value == 0 || last.Name != name {
		b = e.name(b, name)
		*last = *e.recent.At(name)
		return b
	}
	return binary.AppendUvarint(b, last.Value)
}

// name appends a name.
func (e *encoder) name(b []byte, name string) []byte {
	seen := e.recent.At(name)
	if seen.Value != 0 && seen.Name == name {
		return binary.AppendUvarint(b, seen.Value)
	}
	at, ok := e.names[name]
	if !ok {
		at = uint64(len(e.names)) + 1
		e.names[name] = at
		b = appendText(append(b, 0), name)
	} else {
		b = binary.AppendUvarint(b, at)
	}
	*seen = nameAt{Name: name, Value: at}
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// appendID appends an ID in half its bytes when it is lower-case hexadecimal, as IDs are.
func appendID(b []byte, s string) []byte {
	start := len(b)
	if len(s)%2 == 0 && s != "" {
		b = binary.AppendUvarint(b, uint64(len(s))+1)
		for i := 0; i < len(s); i += 2 {
			high, low := digit[s[i]], digit[s[i+1]]
			if high|low > 15 {
				b = b[:start]
				break
			}
			b = append(b, high<<4|low)
		}
		if len(b) > start {
			return b
		}
	}
	return append(binary.AppendUvarint(b, uint64(len(s))<<1), s...)
}

// digit is the value of each hexadecimal digit in lower case, and more than 15 for all else.
var digit = func() (table [256]byte) {
	for i := range table {
		table[i] = 0xff
	}
	for i, c := range "0123456789abcdef" {
		table[c] = byte(i)
	}
	return table
}()
