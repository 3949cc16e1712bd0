package tier

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/prometheus/tsdb"
)

// writeAhead is a write-ahead log of a database, as it was before that was opened.
type writeAhead struct {
	name  string
	files []fs.FileInfo // by number, those that have something
	torn  bool          // the last one ends in the middle of a record
}

// readLog looks at the log of that name.
func readLog(dir, name string) (w writeAhead, err error) {
	w.name = name
	names, err := os.ReadDir(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return w, nil
	}
	for _, name := range names {
		info, err := name.Info()
		if err != nil {
			return w, err
		}
		if !info.IsDir() && info.Size() > 0 {
			w.files = append(w.files, info)
		}
	}
	if n := len(w.files); n > 0 && err == nil {
		w.torn, err = tornFile(filepath.Join(dir, name, w.files[n-1].Name()))
	}
	return w, err
}

// checkLog finds out whether opening has repaired the log: then the file that was damaged is another one, and those behind it
// are gone.
func (o *opening) checkLog(db *tsdb.DB, before writeAhead) {
	for i, was := range before.files {
		is, err := os.Stat(filepath.Join(o.dir, before.name, was.Name()))
		if err == nil && os.SameFile(was, is) {
			continue
		}
		last := len(before.files) - 1
		d := Damage{
			File: filepath.Join(o.tier, before.name, was.Name()), To: before.files[last].ModTime().UTC(),
			Torn: before.torn && i == last, Cause: "the write-ahead log was damaged there, and ends there now",
		}
		switch blocks := db.Blocks(); {
		case i > 0:
			d.From = before.files[i-1].ModTime().UTC()
		case len(blocks) > 0:
			d.From = time.UnixMilli(blocks[len(blocks)-1].MaxTime()).UTC()
		}
		o.lose(d)
		return
	}
}

// How the files of a log are made: pages with records, each with its type, its length and its checksum; a record that does
// not fit is in several parts. What is left of a page is zero.
const (
	pageSize   = 32 << 10
	recordHead = 7
	lengthAt   = 1
	sumAt      = 3
	typeBits   = 7 // of the first byte
	firstPart  = 2
	nextPart   = 3
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// tornFile is torn of a file.
func tornFile(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	return torn(f)
}

// torn says whether a file ends in the middle of a record, and all before it is whole: a crash leaves that.
func torn(f io.Reader) (bool, error) {
	page, parts := make([]byte, pageSize), false
	for {
		n, err := io.ReadFull(f, page)
		if errors.Is(err, io.EOF) {
			return parts, nil
		}
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return false, err
		}
		rest, kind := records(page[:n])
		if rest != nil {
			// A record that is not whole could go on behind the end of the file.
			return n < pageSize && (len(rest) < recordHead || len(rest) < recordHead+lengthOf(rest)), nil
		}
		if kind != 0 {
			parts = kind == firstPart || kind == nextPart
		}
	}
}

// records goes through the records of a page, and gives what is left when one is not whole, and the type of the last one that
// is; 0 when there is none.
func records(page []byte) (rest []byte, kind byte) {
	for len(page) > 0 && page[0] != 0 {
		if len(page) < recordHead || len(page) < recordHead+lengthOf(page) {
			return page, kind
		}
		end := recordHead + lengthOf(page)
		if crc32.Checksum(page[recordHead:end], castagnoli) != binary.BigEndian.Uint32(page[sumAt:]) {
			return page, kind
		}
		kind = page[0] & typeBits
		page = page[end:]
	}
	return nil, kind
}

func lengthOf(record []byte) int { return int(binary.BigEndian.Uint16(record[lengthAt:])) }
