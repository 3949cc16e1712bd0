package segment

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"weak"

	"github.com/parquet-go/parquet-go"
)

// File is an open segment. It may be used by many goroutines at once, until it is closed. Removing its files while it is open is fine.
type File struct {
	path    string
	data    *os.File
	sidecar *os.File
	head    *head
	info    Info

	mu      sync.Mutex
	decoded weak.Pointer[parquet.File] // the footer: large, so nobody holds it while there is no query
}

// Open opens the segment whose Parquet file is path. It reads the head of the sidecar only. A sidecar that is not valid gives [ErrIncomplete].
func Open(path string) (*File, error) {
	data, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("segment: %w", err)
	}
	f := &File{path: path, data: data}
	if f.sidecar, err = os.Open(sidecarPath(path)); err == nil {
		err = f.readSidecar()
	} else if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: %w", ErrIncomplete, err)
	}
	if err != nil {
		return nil, fmt.Errorf("segment: open %s: %w", path, errors.Join(err, f.Close()))
	}
	return f, nil
}

func sidecarPath(path string) string { return strings.TrimSuffix(path, Suffix) + SidecarSuffix }

func (f *File) readSidecar() error {
	stat, err := f.sidecar.Stat()
	if err != nil {
		return err
	}
	size := stat.Size()
	if f.head, err = loadHead(f.sidecar, size); err != nil {
		return err
	}
	f.info = f.head.info(f.path, size)
	return nil
}

// loadHead reads the head of a sidecar of that size.
func loadHead(r io.ReaderAt, size int64) (*head, error) {
	trailer := make([]byte, trailerSize)
	if size < trailerSize {
		return nil, fmt.Errorf("%w: it has %d bytes", ErrIncomplete, size)
	}
	if _, err := r.ReadAt(trailer, size-trailerSize); err != nil {
		return nil, err
	}
	n, sum, err := readTrailer(trailer)
	if err != nil {
		return nil, err
	}
	if n > size-trailerSize {
		return nil, fmt.Errorf("%w: a head of %d bytes in a file of %d", ErrIncomplete, n, size)
	}
	b := make([]byte, n)
	if _, err := r.ReadAt(b, size-trailerSize-n); err != nil {
		return nil, err
	}
	if checksum(b) != sum {
		return nil, fmt.Errorf("%w: of its head %w", ErrIncomplete, errChecksum)
	}
	return readHead(b, size)
}

// Close closes the files.
func (f *File) Close() error {
	var sidecar error
	if f.sidecar != nil {
		sidecar = f.sidecar.Close()
	}
	return errors.Join(f.data.Close(), sidecar)
}

// Info says what is in the segment.
func (f *File) Info() Info { return f.info }

// footer gives the decoded footer of the Parquet file.
func (f *File) footer() (*parquet.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p := f.decoded.Value(); p != nil {
		return p, nil
	}
	p, err := f.decodeFooter()
	if err == nil {
		f.decoded = weak.Make(p)
	}
	return p, err
}

// decodeFooter takes the copy in the sidecar or, when that is damaged, the original.
func (f *File) decodeFooter() (*parquet.File, error) {
	b, err := f.head.footer.read(f.sidecar)
	if err != nil {
		tail, tailErr := f.head.tail.read(f.data)
		if tailErr != nil || int64(len(tail)) < f.head.footer.size {
			return nil, f.damage("footer and its copy", nil, errors.Join(err, tailErr))
		}
		b = tail[int64(len(tail))-f.head.footer.size:]
	}
	p, err := openParquet(&ends{footer: b, size: f.head.size}, f.head.size)
	if err == nil && len(p.RowGroups()) != len(f.head.groups) {
		err = errDecode
	}
	if err != nil {
		return nil, f.damage("footer", nil, err)
	}
	return p, nil
}

func openParquet(r io.ReaderAt, size int64) (*parquet.File, error) {
	return parquet.OpenFile(r, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true), parquet.ReadBufferSize(readBuffer))
}

// readBuffer is what parquet-go reads at once; it reads from memory.
const readBuffer = 16 << 10

// read reads a checked part of a file.
func (s *span) read(r io.ReaderAt) ([]byte, error) {
	b := make([]byte, s.size)
	if _, err := r.ReadAt(b, s.off); err != nil {
		return nil, err
	}
	if checksum(b) != s.sum {
		return nil, errChecksum
	}
	return b, nil
}

// damage describes the loss of a row group; of the whole file when g is nil.
func (f *File) damage(part string, g *group, err error) *DamageError {
	d := &DamageError{Path: f.path, Part: part, Err: err}
	if g != nil {
		d.FirstRow, d.Rows, d.MinTime, d.MaxTime, d.FirstService, d.LastService = g.first, g.rows, g.minT, g.maxT, g.low, g.high
	} else if n := len(f.head.groups); n > 0 {
		d.Rows, d.MinTime, d.MaxTime = f.info.Lines, f.info.MinTime, f.info.MaxTime
		d.FirstService, d.LastService = f.head.groups[0].low, f.head.groups[n-1].high
	}
	return d
}

// ends is a Parquet file of which only both ends are there.
type ends struct {
	footer []byte
	size   int64
}

// ReadAt reads the magic at the beginning and the footer.
func (r *ends) ReadAt(b []byte, off int64) (int, error) {
	if off == 0 && len(b) == magicSize {
		return copy(b, parquetMagic), nil
	}
	return (&part{b: r.footer, off: r.size - int64(len(r.footer))}).ReadAt(b, off)
}

// part is a file of which only one range is there.
type part struct {
	b   []byte
	off int64
}

// ReadAt reads within the range.
func (p *part) ReadAt(b []byte, off int64) (int, error) {
	off -= p.off
	if off < 0 || off > int64(len(p.b)) {
		return 0, errDecode
	}
	n := copy(b, p.b[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}
