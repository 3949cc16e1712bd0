package journal

import (
	"bytes"
	"errors"
	"hash/crc32"
	"io"
	"iter"
	"slices"
)

// windowSize is how much of a file is read at once, if a record does not need more.
const windowSize = 1 << 20

// scanner finds the records of one file.
type scanner struct {
	file io.ReaderAt
	size int64 // what is behind it is not looked at
	salt uint64

	window []byte
	start  int64 // of the window
	failed error // why a part of the file could not be read; it is taken for zeros
}

// pieceSize is what is given up when the disk cannot read it.
const pieceSize = 4096

// frame is a record in a file.
type frame struct {
	head    recordHead
	at, end int64
	payload []byte // good until the next one is looked for
	intact  bool   // the payload is as it was written
}

// view returns n bytes of the file, which are good until the next call, or fewer at its end.
func (s *scanner) view(at int64, n int) ([]byte, error) {
	n = int(min(int64(n), max(s.size-at, 0)))
	if at >= s.start && at+int64(n) <= s.start+int64(len(s.window)) {
		return s.window[at-s.start:][:n], nil
	}
	want := int(min(int64(max(n, windowSize)), s.size-at))
	if cap(s.window) < want {
		s.window = make([]byte, want)
	}
	s.window, s.start = s.window[:want], at
	if err := readAll(s.file, s.window, at); err != nil {
		if err := s.readPieces(at); err != nil {
			s.window = s.window[:0]
			return nil, err
		}
	}
	return s.window[:n], nil
}

// holes reports whether a part of the file could not be read.
func (s *scanner) holes() bool { return s.failed != nil }

// readPieces fills the window as far as the disk can.
func (s *scanner) readPieces(at int64) error {
	for piece := range slices.Chunk(s.window, pieceSize) {
		err := readAll(s.file, piece, at)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		if err != nil {
			s.failed = err
			clear(piece)
		}
		at += int64(len(piece))
	}
	return nil
}

// readAll fills b. The end of the file is an error: it is shorter than it was a moment ago.
func readAll(f io.ReaderAt, b []byte, at int64) error {
	n, err := f.ReadAt(b, at)
	switch {
	case n == len(b):
		return nil
	case errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	}
	return err
}

// frames gives all records from there on whose heads are whole, and skips what is between them. It ends at an error.
func (s *scanner) frames(at int64) iter.Seq2[frame, error] {
	return func(yield func(frame, error) bool) {
		for {
			f, ok, err := s.find(at)
			if err != nil {
				yield(frame{}, err)
				return
			}
			if !ok || !yield(f, nil) {
				return
			}
			at = f.end
		}
	}
}

// find returns the first record that begins at or after that offset, and is in the file to its end.
func (s *scanner) find(at int64) (frame, bool, error) {
	for s.size-at >= recordHeadSize {
		b, err := s.view(at, recordHeadSize)
		if err != nil {
			return frame{}, false, err
		}
		head, ok := parseRecordHead(b, s.salt, at)
		if end := at + recordHeadSize + int64(head.length); ok && end <= s.size {
			b, err := s.view(at, recordHeadSize+head.length)
			if err != nil {
				return frame{}, false, err
			}
			f := frame{head: head, at: at, end: end, payload: b[recordHeadSize:]}
			f.intact = crc32.Checksum(f.payload, castagnoli) == head.sum
			return f, true, nil
		}
		if at, err = s.magic(at + 1); err != nil {
			return frame{}, false, err
		}
	}
	return frame{}, false, nil
}

// magic returns where the next bytes stand that look like the start of a record, or the end of the file.
func (s *scanner) magic(at int64) (int64, error) {
	for s.size-at >= recordHeadSize {
		if _, err := s.view(at, recordHeadSize); err != nil {
			return 0, err
		}
		rest := s.window[at-s.start:]
		if i := bytes.Index(rest, []byte(recordMagic)); i >= 0 {
			return at + int64(i), nil
		}
		at += int64(len(rest)) - int64(len(recordMagic)-1)
	}
	return s.size, nil
}

// torn reports whether what stands behind the last record is what a crash in the middle of a write leaves: a record that ends
// with the file, or room that was never filled.
func (s *scanner) torn(at int64) (bool, error) {
	if s.holes() {
		return false, nil
	}
	if s.size-at < recordHeadSize {
		return true, nil
	}
	b, err := s.view(at, recordHeadSize)
	if err != nil {
		return false, err
	}
	if _, ok := parseRecordHead(b, s.salt, at); ok {
		return true, nil
	}
	return s.zero(at)
}

// zero reports whether there are only zeros from there on.
func (s *scanner) zero(at int64) (bool, error) {
	for at < s.size {
		b, err := s.view(at, windowSize)
		if err != nil {
			return false, err
		}
		if len(bytes.Trim(b, "\x00")) > 0 {
			return false, nil
		}
		at += int64(len(b))
	}
	return !s.holes(), nil
}
