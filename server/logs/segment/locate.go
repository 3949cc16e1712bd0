package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go/format"
)

const (
	magicSize  = 4 // at both ends of a Parquet file
	footerTail = 4 + magicSize
)

// locate fills in where the columns and the tail of a Parquet file lie, and their checksums, and returns its footer.
func (h *head) locate(f io.ReaderAt, size int64, meta *format.FileMetaData) ([]byte, error) {
	if len(meta.RowGroups) != len(h.groups) {
		return nil, fmt.Errorf("segment: %d row groups in the footer, %d were expected", len(meta.RowGroups), len(h.groups))
	}
	h.size = size
	var buf []byte
	end := int64(magicSize)
	for i := range h.groups {
		for k := range h.groups[i].chunks {
			m := &meta.RowGroups[i].Columns[k].MetaData
			c := &h.groups[i].chunks[k]
			c.off, c.size = chunkStart(m), m.TotalCompressedSize
			if c.off != end {
				return nil, fmt.Errorf("segment: column %s of row group %d lies at %d, not at %d", columnNames[k], i, c.off, end)
			}
			if err := c.seal(f, size, &buf); err != nil {
				return nil, err
			}
			end = c.off + c.size
		}
	}
	h.tail = span{off: end, size: size - end}
	if err := h.tail.seal(f, size, &buf); err != nil {
		return nil, err
	}
	tail := buf[:h.tail.size]
	if len(tail) < footerTail {
		return nil, errors.New("segment: there is no footer")
	}
	n := int(binary.LittleEndian.Uint32(tail[len(tail)-footerTail:])) + footerTail
	if n > len(tail) {
		return nil, fmt.Errorf("segment: a footer of %d bytes", n)
	}
	return tail[len(tail)-n:], nil
}

// chunkStart is where a column of a row group begins.
func chunkStart(m *format.ColumnMetaData) int64 {
	if m.DictionaryPageOffset != 0 {
		return m.DictionaryPageOffset
	}
	return m.DataPageOffset
}

// seal sets the checksum.
func (s *span) seal(f io.ReaderAt, size int64, buf *[]byte) error {
	if s.off < 0 || s.size < 0 || s.size > size-s.off {
		return fmt.Errorf("segment: a part from %d of %d bytes in a file of %d", s.off, s.size, size)
	}
	if int64(cap(*buf)) < s.size {
		*buf = make([]byte, s.size)
	}
	if _, err := f.ReadAt((*buf)[:s.size], s.off); err != nil {
		return err
	}
	s.sum = checksum((*buf)[:s.size])
	return nil
}

func (h *head) info(path string, sidecar int64) Info {
	i := Info{Path: path, Lines: h.lines, Levels: h.levels(), Bytes: h.size + sidecar}
	i.MinTime, i.MaxTime = h.times()
	return i
}
