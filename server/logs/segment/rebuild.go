package segment

import (
	"bufio"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/parquet-go/parquet-go"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// ErrDamaged is returned by [Rebuild] when the Parquet file is not as it was written, too.
var ErrDamaged = errors.New("segment: damaged, and there is no sidecar that knows the parts that are whole")

// Rebuild makes the sidecar of the Parquet file at path anew, when that file is whole. It reads all of it.
func Rebuild(path string) (info Info, err error) {
	defer func() {
		// Nothing vouches for a Parquet file without its sidecar, and the decoder was not made for files that are damaged.
		if p := recover(); p != nil {
			info, err = Info{}, fmt.Errorf("%w: %s: %v", ErrDamaged, path, p)
		}
	}()
	data, err := os.Open(path)
	if err != nil {
		return Info{}, fmt.Errorf("segment: rebuild: %w", err)
	}
	defer data.Close()
	x, err := newIndexer(sidecarPath(path), bufio.NewWriterSize(nil, fileBuffer), new(marks))
	if err != nil {
		return Info{}, fmt.Errorf("segment: rebuild: %w", err)
	}
	defer x.sink.drop()
	footer, err := x.rebuild(data)
	if err != nil {
		return Info{}, fmt.Errorf("%w: %s: %w", ErrDamaged, path, err)
	}
	if err := x.finish(sidecarPath(path), footer); err != nil {
		return Info{}, fmt.Errorf("segment: rebuild: %w", err)
	}
	return x.head.info(path, x.sink.off), nil
}

// rebuild goes through all lines of the file and returns its footer.
func (x *indexer) rebuild(data *os.File) ([]byte, error) {
	stat, err := data.Stat()
	if err != nil {
		return nil, err
	}
	p, err := openParquet(data, stat.Size())
	if err != nil {
		return nil, err
	}
	if p.Schema().String() != schema.String() {
		return nil, fmt.Errorf("other columns: %v", p.Schema())
	}
	sums, _ := p.Lookup(sumsKey)
	meta := p.Metadata()
	of := strings.Fields(sums)
	if len(of) != len(meta.RowGroups) {
		return nil, fmt.Errorf("%d checksums of %d row groups", len(of), len(meta.RowGroups))
	}
	start := int64(0)
	for i, g := range p.RowGroups() {
		last := &meta.RowGroups[i].Columns[columns-1].MetaData
		end := chunkStart(last) + last.TotalCompressedSize
		if err := checkSum(data, start, end, of[i]); err != nil {
			return nil, fmt.Errorf("row group %d: %w", i, err)
		}
		if err := x.addGroup(data, g, meta.RowGroups[i].NumRows); err != nil {
			return nil, fmt.Errorf("row group %d: %w", i, err)
		}
		start = end
	}
	return x.head.locate(data, stat.Size(), meta)
}

// checkSum compares a part of a file with the checksum that was written for it.
func checkSum(r io.ReaderAt, start, end int64, want string) error {
	sum := crc32.New(castagnoli)
	if n, err := io.Copy(sum, io.NewSectionReader(r, start, end-start)); err != nil || n != end-start {
		return errors.Join(err, errChecksum)
	}
	if strconv.FormatUint(uint64(sum.Sum32()), 16) != want {
		return errChecksum
	}
	return nil
}

// addGroup indexes the lines of a row group.
func (x *indexer) addGroup(data io.ReaderAt, from parquet.RowGroup, rows int64) error {
	if rows <= 0 || rows > maxRows {
		return fmt.Errorf("%d rows", rows)
	}
	chunks := from.ColumnChunks()
	g := &group{rows: rows, high: "?"} // it is not known that there is one service only
	r := &reader{group: g, chunks: chunks, source: func(int) (io.ReaderAt, error) { return data, nil }}
	b, err := newBlock(r, &Query{From: math.MinInt64, To: math.MaxInt64, Columns: AllColumns}, needAll)
	if err != nil {
		return err
	}
	var e entry.Entry
	for _, row := range b.rows {
		if err := b.entry(row, AllColumns, &e); err != nil {
			return err
		}
		x.add(&e)
	}
	return x.endGroup()
}
