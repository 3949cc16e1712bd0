package segment

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unsafe"

	"github.com/parquet-go/parquet-go"
)

// words is a column of few different texts: the values and, for each row, which one.
type words struct {
	values []string
	index  []int32
}

func (w *words) at(row int32) string { return w.values[w.index[row]] }

// texts is a column of many different texts, one after the other: row i is data[ends[i-1]:ends[i]].
type texts struct {
	data []byte
	ends []uint32
	raw  bool // some are not as they were written, see readText
}

// at returns a text that shares the memory of the column, which nobody changes once it is read.
func (t *texts) at(row int32) string {
	start := uint32(0)
	if row > 0 {
		start = t.ends[row-1]
	}
	n := t.ends[row] - start
	if n == 0 {
		return ""
	}
	s := unsafe.String(&t.data[start], n) //nolint:gosec // see above
	if t.raw {
		return readText(s)
	}
	return s
}

// reader reads the columns of a row group.
type reader struct {
	group  *group
	chunks []parquet.ColumnChunk
	source func(column int) (io.ReaderAt, error) // has the bytes of a column, checked
}

// pages calls use with each page of a column. The page is gone after that.
func (r *reader) pages(column int, use func(parquet.Page) error) (err error) {
	defer func() {
		if err != nil {
			err = &partError{part: "column " + columnNames[column], err: err}
		}
	}()
	source, err := r.source(column)
	if err != nil {
		return err
	}
	chunk, ok := r.chunks[column].(*parquet.FileColumnChunk)
	if !ok {
		return errDecode
	}
	pages := chunk.PagesFrom(source)
	defer func() { err = errors.Join(err, pages.Close()) }()
	for rows := int64(0); ; {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) && rows == r.group.rows {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", errDecode, err)
		}
		if rows += page.NumValues(); rows > r.group.rows {
			err = errDecode
		} else {
			err = use(page)
		}
		parquet.Release(page)
		if err != nil {
			return err
		}
	}
}

func (r *reader) times() ([]int64, error) {
	times := make([]int64, 0, r.group.rows)
	err := r.pages(colTime, func(p parquet.Page) error {
		data := p.Data()
		times = append(times, data.Int64()...)
		return nil
	})
	return times, err
}

func (r *reader) texts(column int) (texts, error) {
	t := texts{ends: make([]uint32, 0, r.group.rows)}
	err := r.pages(column, func(p parquet.Page) error {
		if p.Dictionary() != nil {
			return errDecode
		}
		data := p.Data()
		b, offsets := data.ByteArray()
		if len(b) > maxText-len(t.data) || len(offsets) == 0 {
			return errDecode
		}
		if t.data == nil {
			t.data = make([]byte, 0, int64(len(b))*r.group.rows/max(p.NumValues(), 1)*9/8+16)
		}
		t.raw = t.raw || column != colAttrs && bytes.IndexByte(b, rawLead) >= 0 // in JSON, readAttrs sees to each text
		base := uint32(len(t.data)) - offsets[0]
		t.data = append(t.data, b[offsets[0]:offsets[len(offsets)-1]]...)
		for _, end := range offsets[1:] {
			t.ends = append(t.ends, base+end)
		}
		return nil
	})
	return t, err
}

// maxText is of a column of a row group: far more than is ever written.
const maxText = 1 << 30

func (r *reader) words(column int) (words, error) {
	w := words{index: make([]int32, 0, r.group.rows)}
	dictionary := -1 // where its values begin
	err := r.pages(column, func(p parquet.Page) error {
		data := p.Data()
		d := p.Dictionary()
		if d == nil { // it was too large, the rest goes without
			b, offsets := data.ByteArray()
			for i := 1; i < len(offsets); i++ {
				w.index = append(w.index, int32(len(w.values)))
				w.values = append(w.values, readText(string(b[offsets[i-1]:offsets[i]])))
			}
			return nil
		}
		if dictionary < 0 {
			dictionary = len(w.values)
			values := d.Page().Data()
			b, offsets := values.ByteArray()
			for i := 1; i < len(offsets); i++ {
				w.values = append(w.values, readText(string(b[offsets[i-1]:offsets[i]])))
			}
		}
		for _, i := range data.Int32() {
			if i < 0 || int(i) >= d.Len() {
				return errDecode
			}
			w.index = append(w.index, i+int32(dictionary))
		}
		return nil
	})
	return w, err
}
