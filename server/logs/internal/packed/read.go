package packed

import (
	"encoding/binary"
	"unsafe"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// Reader reads lines. The zero value is ready; it is not safe for concurrent use.
type Reader struct {
	ids []byte // IDs that were written out, behind each other
}

// idBytes is how much memory is taken for IDs at a time.
const idBytes = 8 << 10

// Read reads a line into e, whose memory for attributes is used again. Its texts may be kept, and share the memory of the lines.
func (r *Reader) Read(l *Lines, i int, e *entry.Entry) {
	row, b := &l.rows[i], l.payload
	e.Time, e.Level, e.Service = row.time, row.level, l.Name(int(row.service))
	at := int(row.at)
	e.Instance, at = l.name(at)
	e.Handler, at = l.name(at)
	e.Trace, at = r.id(l, at)
	e.Span, at = r.id(l, at)
	n, at := number(b, at)
	e.Message = l.text(at, n)
	at += n
	attrs, at := number(b, at)
	e.Attrs = e.Attrs[:0]
	for range attrs {
		var a entry.Attr
		a.Name, at = l.name(at)
		n, at = number(b, at)
		a.Value = l.text(at, n)
		at += n
		e.Attrs = append(e.Attrs, a)
	}
}

// number reads a varint, and says where it goes on.
func number(b []byte, at int) (n, next int) {
	if c := b[at]; c < 0x80 {
		return int(c), at + 1
	}
	v, size := binary.Uvarint(b[at:])
	return int(v), at + size //nolint:gosec // it was made of an int
}

func (l *Lines) name(at int) (name string, next int) {
	n, at := number(l.payload, at)
	if n > 0 {
		return l.Name(n - 1), at
	}
	n, at = number(l.payload, at)
	return l.text(at, n), at + n
}

func (r *Reader) id(l *Lines, at int) (id string, next int) {
	n, at := number(l.payload, at)
	if n&1 == 0 {
		return l.text(at, n>>1), at + n>>1
	}
	short := l.payload[at : at+n>>1]
	if cap(r.ids)-len(r.ids) < 2*len(short) {
		r.ids = make([]byte, 0, max(idBytes, 2*len(short)))
	}
	from := len(r.ids)
	r.ids = appendDigits(r.ids, short)
	return unsafe.String(&r.ids[from], 2*len(short)), at + len(short) //nolint:gosec // nobody changes what was appended; no ID is packed that is empty
}
