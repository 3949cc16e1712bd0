package segment

import (
	"bufio"
	"hash/crc32"
	"os"
	"path/filepath"
)

// sink is a file being written under another name. It knows the checksum of what came since the last mark.
type sink struct {
	file *os.File
	buf  *bufio.Writer
	off  int64
	sum  uint32
}

// fileBuffer is how much is collected for one write.
const fileBuffer = 256 << 10

// newSink creates the file that will be path. buf is for its content.
func newSink(path string, buf *bufio.Writer) (*sink, error) {
	f, err := os.OpenFile(path+".tmp", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return nil, err
	}
	buf.Reset(f)
	return &sink{file: f, buf: buf}, nil
}

func (s *sink) Write(b []byte) (int, error) {
	s.sum = crc32.Update(s.sum, castagnoli, b)
	s.off += int64(len(b))
	return s.buf.Write(b)
}

// section writes b and says where it is.
func (s *sink) section(b []byte) (span, error) {
	at := span{off: s.off, size: int64(len(b)), sum: checksum(b)}
	_, err := s.Write(b)
	return at, err
}

// mark returns the checksum since the last mark.
func (s *sink) mark() uint32 {
	sum := s.sum
	s.sum = 0
	return sum
}

// finish makes what was written last and gives the file its name.
func (s *sink) finish(path string) error {
	if err := s.buf.Flush(); err != nil {
		return err
	}
	if err := s.file.Sync(); err != nil {
		return err
	}
	if err := s.file.Close(); err != nil {
		return err
	}
	if err := os.Rename(s.file.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// drop removes what is not finished; after finish it does nothing.
func (s *sink) drop() {
	s.file.Close()
	os.Remove(s.file.Name()) //nolint:errcheck // it is not there when all went well, and an orphan is removed by the next writer of this name
}

// syncDir makes the names in a directory last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
