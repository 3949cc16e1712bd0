package packed

import (
	"encoding/binary"
	"errors"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// attrSize is what one attribute adds to the size of an entry.
var attrSize = (&entry.Entry{Attrs: make([]entry.Attr, 1)}).Size() - (&entry.Entry{}).Size()

// errPayload says that a payload is not one that this package wrote.
var errPayload = errors.New("the payload cannot be decoded")

// Unpack reads a payload of that many lines, which may be any bytes. It takes not much more memory than [MaxSize].
func Unpack(payload []byte, count int) ([]entry.Entry, error) {
	// All texts are parts of one string.
	d := decoder{rest: string(payload), room: MaxSize}
	attrs := d.number()
	if d.failed || attrs > uint64(MaxSize/attrSize) || attrs > uint64(len(d.rest)) || count < 0 || count > min(MaxLines, len(d.rest)) {
		return nil, errPayload
	}
	d.attrs = make([]entry.Attr, attrs)
	entries := make([]entry.Entry, count)
	before := int64(0)
	for i := range entries {
		d.line(&entries[i], before)
		if d.failed {
			return nil, errPayload
		}
		before = entries[i].Time
	}
	if d.rest != "" || len(d.attrs) != 0 {
		return nil, errPayload
	}
	return entries, nil
}

type decoder struct {
	rest   string
	names  []string
	attrs  []entry.Attr // room for those that are still to come
	room   int          // bytes that entries may still take in memory
	failed bool
}

func (d *decoder) line(e *entry.Entry, before int64) {
	e.Time = before + d.signed()
	e.Level = entry.Level(d.byte())
	e.Service = d.name()
	e.Instance = d.name()
	e.Handler = d.name()
	e.Trace = d.id()
	e.Span = d.id()
	e.Message = d.text()
	n := d.number()
	if n > uint64(len(d.attrs)) {
		d.failed = true
		return
	}
	if n > 0 {
		e.Attrs, d.attrs = d.attrs[:n:n], d.attrs[n:]
	}
	for i := range e.Attrs {
		e.Attrs[i] = entry.Attr{Name: d.name(), Value: d.text()}
	}
	if d.room -= e.Size(); d.room < 0 {
		d.failed = true
	}
}

// number reads a varint.
func (d *decoder) number() (v uint64) {
	for i := 0; i < len(d.rest) && i < binary.MaxVarintLen64; i++ {
		c := d.rest[i]
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			d.rest = d.rest[i+1:]
			d.failed = d.failed || i == binary.MaxVarintLen64-1 && c > 1
			return v
		}
	}
	d.failed, d.rest = true, ""
	return 0
}

func (d *decoder) signed() int64 {
	v := d.number()
	return int64(v>>1) ^ -int64(v&1)
}

func (d *decoder) byte() byte { return d.cut(1)[0] }

// cut takes n bytes. When there are fewer, it fails and gives one NUL.
func (d *decoder) cut(n uint64) string {
	if n > uint64(len(d.rest)) {
		d.failed, d.rest = true, ""
		return "\x00"
	}
	s := d.rest[:n]
	d.rest = d.rest[n:]
	return s
}

func (d *decoder) text() string { return d.cut(d.number()) }

func (d *decoder) name() string {
	at := d.number()
	if at == 0 {
		s := d.text()
		d.names = append(d.names, s)
		return s
	}
	if at > uint64(len(d.names)) {
		d.failed = true
		return ""
	}
	return d.names[at-1]
}

func (d *decoder) id() string {
	n := d.number()
	if n&1 == 0 {
		return d.cut(n >> 1)
	}
	s := d.cut(n >> 1)
	var short [64]byte // on the stack, for IDs of the usual length
	return string(appendDigits(short[:0], []byte(s)))
}
