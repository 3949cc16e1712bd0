package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// The sidecar begins with the sections that the head points to: filters, counts and the copy of the footer. Then comes the head, and at last its length, its
// CRC and this, of which the last character is the version.
const (
	sidecarMagic = "GABIDX02"
	trailerSize  = 8 + 8
	maxHead      = 64 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// span is a range of bytes in a file, with the CRC-32C of them.
type span struct {
	off, size int64
	sum       uint32
}

// group is what is known of a row group.
type group struct {
	number       int // of the row group in its file
	first, rows  int64
	low, high    string // services
	minT, maxT   int64
	levels       Levels
	chunks       [columns]span // in the Parquet file
	words, trace span          // filters, in the sidecar; of size 0 when there is none
	tallies      span          // in the sidecar, too
}

// head is what is in memory of a sidecar.
type head struct {
	size   int64 // of the Parquet file
	lines  int64
	tail   span // what follows the last row group in the Parquet file
	footer span // in the sidecar: the copy of the end of the tail
	groups []group
}

func (h *head) times() (lowest, highest int64) {
	for i := range h.groups {
		g := &h.groups[i]
		if i == 0 {
			lowest, highest = g.minT, g.maxT
		}
		lowest, highest = min(lowest, g.minT), max(highest, g.maxT)
	}
	return lowest, highest
}

func (h *head) levels() (s Levels) {
	for i := range h.groups {
		s |= h.groups[i].levels
	}
	return s
}

func appendSpan(b []byte, s span) []byte {
	b = binary.AppendUvarint(b, uint64(s.off))
	b = binary.AppendUvarint(b, uint64(s.size))
	return binary.LittleEndian.AppendUint32(b, s.sum)
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func (h *head) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(h.size))
	b = appendSpan(b, h.tail)
	b = appendSpan(b, h.footer)
	b = binary.AppendUvarint(b, uint64(len(h.groups)))
	for i := range h.groups {
		g := &h.groups[i]
		b = binary.AppendUvarint(b, uint64(g.rows))
		b = appendString(b, g.low)
		b = appendString(b, g.high)
		b = binary.AppendVarint(b, g.minT)
		b = binary.AppendVarint(b, g.maxT)
		b = binary.AppendUvarint(b, uint64(g.levels))
		for _, c := range g.chunks {
			b = appendSpan(b, c)
		}
		b = appendSpan(b, g.words)
		b = appendSpan(b, g.trace)
		b = appendSpan(b, g.tallies)
	}
	return b
}

// appendTrailer appends what comes after the head.
func appendTrailer(head []byte) []byte {
	sum := checksum(head)
	b := binary.LittleEndian.AppendUint32(head, uint32(len(head)))
	return append(binary.LittleEndian.AppendUint32(b, sum), sidecarMagic...)
}

// readTrailer returns the size of the head and its checksum.
func readTrailer(b []byte) (size int64, sum uint32, err error) {
	if len(b) != trailerSize || string(b[8:]) != sidecarMagic {
		return 0, 0, fmt.Errorf("%w: it does not end with %s", ErrIncomplete, sidecarMagic)
	}
	if size = int64(binary.LittleEndian.Uint32(b)); size > maxHead {
		return 0, 0, fmt.Errorf("%w: a head of %d bytes", ErrIncomplete, size)
	}
	return size, binary.LittleEndian.Uint32(b[4:]), nil
}

// cursor reads a head; after the first mistake it gives zeros.
type cursor struct {
	b   []byte
	err error
}

var errHead = errors.New("its head makes no sense")

func (c *cursor) fail() { c.b, c.err = nil, errHead }

func (c *cursor) uvarint(most uint64) uint64 {
	v, n := binary.Uvarint(c.b)
	if n <= 0 || v > most {
		c.fail()
		return 0
	}
	c.b = c.b[n:]
	return v
}

func (c *cursor) varint() int64 {
	v, n := binary.Varint(c.b)
	if n <= 0 {
		c.fail()
		return 0
	}
	c.b = c.b[n:]
	return v
}

func (c *cursor) take(n uint64) []byte {
	if n > uint64(len(c.b)) {
		c.fail()
		return nil
	}
	b := c.b[:n]
	c.b = c.b[n:]
	return b
}

func (c *cursor) string() string { return string(c.take(c.uvarint(uint64(len(c.b))))) }

// span reads a range that lies within the first limit bytes of a file.
func (c *cursor) span(limit int64) span {
	s := span{off: int64(c.uvarint(uint64(limit)))}
	s.size = int64(c.uvarint(uint64(limit - s.off)))
	if b := c.take(4); b != nil {
		s.sum = binary.LittleEndian.Uint32(b)
	}
	return s
}

const (
	maxFile = 1 << 48
	// maxRows is of one row group.
	maxRows = 1 << 20
	// groupSize is the least number of bytes that a row group takes in a head.
	groupSize = 6 + 6*(columns+3)
)

// readHead decodes a head whose checksum is right. sidecar is the size of its file.
func readHead(b []byte, sidecar int64) (*head, error) {
	c := &cursor{b: b}
	h := &head{size: int64(c.uvarint(maxFile))}
	h.tail = c.span(h.size)
	h.footer = c.span(sidecar)
	n := c.uvarint(uint64(len(c.b) / groupSize))
	h.groups = make([]group, n)
	for i := range h.groups {
		g := &h.groups[i]
		g.number, g.first, g.rows = i, h.lines, int64(c.uvarint(maxRows))
		g.low, g.high = c.string(), c.string()
		g.minT, g.maxT = c.varint(), c.varint()
		g.levels = Levels(c.uvarint(1<<16 - 1))
		for k := range g.chunks {
			g.chunks[k] = c.span(h.size)
		}
		g.words, g.trace, g.tallies = c.span(sidecar), c.span(sidecar), c.span(sidecar)
		h.lines += g.rows
	}
	if len(c.b) > 0 {
		c.fail()
	}
	if c.err != nil {
		return nil, fmt.Errorf("%w: %w", ErrIncomplete, c.err)
	}
	return h, nil
}
