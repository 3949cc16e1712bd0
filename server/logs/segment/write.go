package segment

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strconv"

	"github.com/parquet-go/parquet-go"

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
	// batchRows are handed to the columns at once.
	batchRows = 512
)

// Write makes the segment dir/name of lines that are sorted as [Sort] does it, and returns what it is. When it returns without an error, both files
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

// segmentWriter writes the two files of a segment.
type segmentWriter struct {
	path    string // without suffix
	rows    int
	sink    *sink
	parquet *parquet.GenericWriter[row]
	columns []*parquet.ColumnWriter
	index   *indexer
	sums    []byte // of the row groups, in hexadecimal

	batch   [columns][]parquet.Value
	attrs   []byte // of the batch
	bytes   int    // of text in the row group
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
	s, err := newSink(path + Suffix)
	if err != nil {
		return nil, err
	}
	x, err := newIndexer(path + SidecarSuffix)
	if err != nil {
		s.drop()
		return nil, err
	}
	w := &segmentWriter{path: path, rows: opt.Rows, sink: s, parquet: newWriter(s), index: x}
	if w.rows <= 0 {
		w.rows = defaultRows
	}
	w.rows = min(w.rows, mostRows)
	w.columns = w.parquet.ColumnWriters()
	for i := range w.batch {
		w.batch[i] = make([]parquet.Value, 0, batchRows)
	}
	return w, nil
}

func (w *segmentWriter) drop() {
	w.sink.drop()
	w.index.sink.drop()
}

func (w *segmentWriter) add(e *entry.Entry) error {
	if w.any && (e.Service < w.service || e.Service == w.service && e.Time < w.time) {
		return fmt.Errorf("%w: %q at %d after %q at %d", ErrOrder, e.Service, e.Time, w.service, w.time)
	}
	w.any, w.service, w.time = true, e.Service, e.Time
	w.index.add(e)
	start := len(w.attrs)
	w.attrs = appendAttrs(w.attrs, e.Attrs)
	w.batch[colTime] = append(w.batch[colTime], parquet.Int64Value(e.Time))
	w.text(colLevel, known(e.Level).String())
	w.text(colService, text(e.Service))
	w.text(colHandler, text(e.Handler))
	w.text(colInstance, text(e.Instance))
	w.text(colTrace, text(e.Trace))
	w.text(colSpan, text(e.Span))
	w.text(colMessage, text(e.Message))
	w.batch[colAttrs] = append(w.batch[colAttrs], parquet.ByteArrayValue(w.attrs[start:]))
	w.bytes += e.Size()
	if len(w.batch[colTime]) == batchRows {
		if err := w.flush(); err != nil {
			return err
		}
	}
	if w.index.now.rows >= int64(w.rows) || w.bytes >= groupBytes {
		return w.endGroup()
	}
	return nil
}

// text adds a value without copying it: the columns copy it when the batch is handed over.
func (w *segmentWriter) text(column int, s string) {
	w.batch[column] = append(w.batch[column], parquet.ByteArrayValue(bytesOf(s)))
}

// flush hands the batch to the columns.
func (w *segmentWriter) flush() error {
	for i, c := range w.columns {
		if _, err := c.WriteRowValues(w.batch[i]); err != nil {
			return fmt.Errorf("segment: column %s: %w", columnNames[i], err)
		}
		clear(w.batch[i])
		w.batch[i] = w.batch[i][:0]
	}
	w.attrs = w.attrs[:0]
	return nil
}

func (w *segmentWriter) endGroup() error {
	if w.index.now.rows == 0 {
		return nil
	}
	if err := w.flush(); err != nil {
		return err
	}
	first := w.sink.off == 0
	if err := w.parquet.Flush(); err != nil {
		return fmt.Errorf("segment: %w", err)
	}
	sum := w.sink.mark()
	if !first {
		w.sums = append(w.sums, ' ')
	}
	w.sums = strconv.AppendUint(w.sums, uint64(sum), 16)
	w.bytes = 0
	return w.index.endGroup()
}

func (w *segmentWriter) finish() (Info, error) {
	if err := w.endGroup(); err != nil {
		return Info{}, err
	}
	w.parquet.SetKeyValueMetadata(sumsKey, string(w.sums))
	if err := w.parquet.Close(); err != nil {
		return Info{}, fmt.Errorf("segment: %w", err)
	}
	if err := w.sink.buf.Flush(); err != nil {
		return Info{}, err
	}
	footer, err := w.index.head.locate(w.sink.file, w.sink.off, w.parquet.File().Metadata())
	if err != nil {
		return Info{}, err
	}
	if err := w.sink.finish(w.path + Suffix); err != nil {
		return Info{}, err
	}
	if err := w.index.finish(w.path+SidecarSuffix, footer); err != nil {
		return Info{}, err
	}
	return w.index.head.info(w.path+Suffix, w.index.sink.off), nil
}
