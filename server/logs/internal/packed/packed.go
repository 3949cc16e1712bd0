// Package packed has lines of a log as bytes, without a pointer for each text: as the journal writes them, and as they are kept in memory until they are
// sealed. So the garbage collector has nothing to look at in them, and a line is copied once for both.
//
// The payload, of which the journal makes a record, is the number of attributes of all lines, and then for each line
//
//	time        signed varint, the difference to the line before
//	level       1 byte
//	service, instance, handler
//	            name: a varint, 0 for a new name, which follows as a text, n for the n-th of this payload
//	trace, span ID: a varint, 2n for n bytes of text, 2n+1 for n bytes that stand for 2n hexadecimal digits
//	message     text: varint of its length, and its bytes
//	attributes  varint of their number, then for each its name and a text
package packed

import (
	"unsafe"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// MaxSize is how many bytes lines that are packed together may take in memory, by [entry.Entry.Size]. It bounds what reading them takes.
const MaxSize = 16 << 20

// MaxLines is how many lines that can be: none is smaller than an empty one.
var MaxLines = MaxSize / (&entry.Entry{}).Size()

// Lines are some lines. They are never changed, so many may read them at a time.
type Lines struct {
	payload []byte
	names   []part // where each name stands in the payload
	rows    []row
	size    int
}

// part is a part of a payload.
type part struct{ from, size uint32 }

// row is what is known of a line without reading it.
type row struct {
	time    int64
	at      uint32 // where it goes on behind its service
	service uint32 // the number of the name, from 0
	level   entry.Level
	marked  bool
}

// Len is how many lines there are.
func (l *Lines) Len() int { return len(l.rows) }

// Size is the sum of their sizes, by [entry.Entry.Size]: they take about half of that.
func (l *Lines) Size() int { return l.size }

// Payload has all lines. It must not be changed.
func (l *Lines) Payload() []byte { return l.payload }

// Time is that of a line.
func (l *Lines) Time(i int) int64 { return l.rows[i].time }

// Level is that of a line.
func (l *Lines) Level(i int) entry.Level { return l.rows[i].level }

// Marked is what was said of a line when it was packed.
func (l *Lines) Marked(i int) bool { return l.rows[i].marked }

// Service is the number of the name of a line's service.
func (l *Lines) Service(i int) int { return int(l.rows[i].service) }

// Name is the name of that number. It shares the memory of the lines.
func (l *Lines) Name(number int) string {
	p := l.names[number]
	return l.text(int(p.from), int(p.size))
}

// Names is how many names there are.
func (l *Lines) Names() int { return len(l.names) }

// text is a part of the payload.
func (l *Lines) text(at, size int) string {
	b := l.payload[at : at+size]
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // nobody changes the payload
}
