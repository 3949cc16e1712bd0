package segment

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// Options change how a segment is written.
type Options struct {
	// Rows is the most that a row group has. Default 16,384, at most 65,536.
	Rows int
}

const (
	defaultRows = 16 << 10
	mostRows    = 64 << 10
	// groupBytes bounds the text of a row group, and so the memory of who writes and who reads it.
	groupBytes = 8 << 20
)

// Write makes the segment dir/name of lines that are sorted by service, then by time, and returns what it is. When it returns without an error, both files
// are on the disk. After an error nothing is there, except when the disk failed between the two files: then [Open] returns
// [ErrIncomplete]. It refuses a name that exists with [fs.ErrExist]. A line is not kept after the next one is asked for, but its texts are.
// A level that has no name is kept as unknown.
func Write(dir, name string, sorted iter.Seq[*entry.Entry], opt Options) (Info, error) {
	return write(dir, name, func(yield func(*entry.Entry, error) bool) {
		for e := range sorted {
			if !yield(e, nil) {
				return
			}
		}
	}, opt)
}

func write(dir, name string, sorted iter.Seq2[*entry.Entry, error], opt Options) (Info, error) {
	w, err := newSegmentWriter(filepath.Join(dir, name), opt)
	if err != nil {
		return Info{}, err
	}
	defer w.drop()
	for e, err := range sorted {
		if err == nil {
			err = w.add(e)
		}
		if err != nil {
			return Info{}, err
		}
	}
	return w.finish()
}

// scratch is the memory that writing takes, to be used again: some MiB, which would be cleared and grown for each segment.
type scratch struct {
	lines gatherer // of the row group
	pages pager
	marks marks
	files [2]*bufio.Writer
}

// spare is the memory of who wrote last. It is kept for good: a pool would lose it between two seals.
var spare atomic.Pointer[scratch]

// borrow takes the spare memory; when somebody else has it, there is new one.
func borrow() *scratch {
	if s := spare.Swap(nil); s != nil {
		return s
	}
	s := new(scratch)
	for i := range s.files {
		s.files[i] = bufio.NewWriterSize(nil, fileBuffer)
	}
	return s
}

// giveBack makes it the spare one, unless huge lines have made it large: they are rare.
func (s *scratch) giveBack() {
	if cap(s.pages.plain) > 2*groupBytes {
		return
	}
	s.lines.reset()
	s.marks.reset()
	for _, f := range s.files {
		f.Reset(nil)
	}
	spare.Store(s)
}

// segmentWriter writes the two files of a segment.
type segmentWriter struct {
	*scratch
	path  string // without suffix
	rows  int
	sink  *sink
	index *indexer
	meta  format.FileMetaData
	sums  []byte // of the row groups, in hexadecimal

	bytes   int // of text in the row group
	any     bool
	service string // of the line before
	time    int64
}

func newSegmentWriter(path string, opt Options) (*segmentWriter, error) {
	for _, suffix := range [...]string{Suffix, SidecarSuffix} {
		if _, err := os.Lstat(path + suffix); !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("segment: write %s: %w", path+suffix, errors.Join(err, fs.ErrExist))
		}
	}
	meta, err := template()
	if err != nil {
		return nil, err
	}
	mem := borrow()
	s, err := newSink(path+Suffix, mem.files[0])
	if err != nil {
		mem.giveBack()
		return nil, err
	}
	x, err := newIndexer(path+SidecarSuffix, mem.files[1], &mem.marks)
	if err != nil {
		s.drop()
		mem.giveBack()
		return nil, err
	}
	w := &segmentWriter{scratch: mem, path: path, rows: opt.Rows, sink: s, index: x, meta: meta}
	if w.rows <= 0 {
		w.rows = defaultRows
	}
	w.rows = min(w.rows, mostRows)
	if _, err := w.sink.Write([]byte(parquetMagic)); err != nil {
		w.drop()
		return nil, err
	}
	return w, nil
}

// drop removes what is not finished. Nothing can be done with w any more.
func (w *segmentWriter) drop() {
	w.sink.drop()
	w.index.sink.drop()
	w.giveBack()
}

func (w *segmentWriter) add(e *entry.Entry) error {
	if w.any && (e.Service < w.service || e.Service == w.service && e.Time < w.time) {
		return fmt.Errorf("%w: %q at %d after %q at %d", ErrOrder, e.Service, e.Time, w.service, w.time)
	}
	w.any, w.service, w.time = true, e.Service, e.Time
	w.lines.add(e, w.index.add(e))
	w.bytes += e.Size()
	if w.index.now.rows >= int64(w.rows) || w.bytes >= groupBytes {
		return w.endGroup()
	}
	return nil
}

func (w *segmentWriter) endGroup() error {
	if w.index.now.rows == 0 {
		return nil
	}
	if err := w.writeGroup(); err != nil {
		return err
	}
	if len(w.sums) > 0 {
		w.sums = append(w.sums, ' ')
	}
	w.sums = strconv.AppendUint(w.sums, uint64(w.sink.mark()), 16)
	w.lines.reset()
	w.bytes = 0
	return w.index.endGroup()
}

// writeGroup writes the columns of the row group.
func (w *segmentWriter) writeGroup() error {
	g := format.RowGroup{NumRows: w.index.now.rows, FileOffset: w.sink.off, Ordinal: int16(len(w.meta.RowGroups))}
	for column := range columns {
		by := slices.Index(columnOf[:], column)
		var values []string
		if by >= 0 {
			values = w.index.tally[by].values
		}
		if err := w.pages.column(column, &w.lines, values); err != nil {
			return err
		}
		m := w.pages.meta
		if m.DataPageOffset > 0 {
			m.DictionaryPageOffset = w.sink.off
		}
		m.DataPageOffset += w.sink.off
		g.Columns = append(g.Columns, format.ColumnChunk{MetaData: m})
		g.TotalByteSize += m.TotalUncompressedSize
		g.TotalCompressedSize += m.TotalCompressedSize
		var err error
		if w.index.now.chunks[column], err = w.sink.section(w.pages.body); err != nil {
			return err
		}
	}
	w.describe(&g)
	w.meta.RowGroups = append(w.meta.RowGroups, g)
	w.meta.NumRows += g.NumRows
	return nil
}

// describe tells other readers the order of the rows, and the first and the last service. A service that is no text is written as another one,
// which may come elsewhere in the order: then nothing is told.
func (w *segmentWriter) describe(g *format.RowGroup) {
	services := &w.index.tally[ByService]
	if services.many || slices.ContainsFunc(services.values, func(s string) bool { return !plainText(s) }) {
		return
	}
	g.SortingColumns = []format.SortingColumn{{ColumnIdx: colService}, {ColumnIdx: colTime}}
	s := &g.Columns[colService].MetaData.Statistics
	s.MinValue, s.MaxValue = []byte(w.index.now.low), []byte(w.index.now.high)
}

func (w *segmentWriter) finish() (Info, error) {
	if err := w.endGroup(); err != nil {
		return Info{}, err
	}
	footer, err := w.footer()
	if err != nil {
		return Info{}, err
	}
	h := &w.index.head
	if h.tail, err = w.sink.section(footer); err != nil {
		return Info{}, err
	}
	h.size = w.sink.off
	if err := w.sink.finish(w.path + Suffix); err != nil {
		return Info{}, err
	}
	if err := w.index.finish(w.path+SidecarSuffix, footer); err != nil {
		return Info{}, err
	}
	return h.info(w.path+Suffix, w.index.sink.off), nil
}

// footer is the end of the Parquet file.
func (w *segmentWriter) footer() ([]byte, error) {
	w.meta.KeyValueMetadata = []format.KeyValue{{Key: sumsKey, Value: string(w.sums)}}
	b, err := thrift.Marshal(new(thrift.CompactProtocol), &w.meta)
	if err != nil {
		return nil, fmt.Errorf("segment: footer: %w", err)
	}
	return append(binary.LittleEndian.AppendUint32(b, uint32(len(b))), parquetMagic...), nil
}
