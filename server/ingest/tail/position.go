package tail

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// maxHead is how much of the beginning of a file it is known by.
const maxHead = 256

// position is how far a file was read, and how its beginning looks: the hash of its first bytes. A file that is shorter
// than maxHead is known by what it had when it was last read.
type position struct {
	Offset int64  `json:"offset"`
	Head   int    `json:"head"`
	Hash   uint64 `json:"hash,string"`
	// ID is the number of the file, where the system has such numbers: it stays when the file is renamed.
	ID string `json:"id,omitempty"`
}

// matches says whether a file begins as the one did whose position it is, and is as long as was read.
func (p position) matches(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || info.Size() < p.Offset {
		return false
	}
	if p.Head == 0 { // nothing was read
		return true
	}
	head, err := headOf(f, p.Head)
	return err == nil && head.Head == p.Head && head.Hash == p.Hash
}

// headOf reads the beginning of a file, at most n bytes.
func headOf(f *os.File, n int) (position, error) {
	b := make([]byte, min(n, maxHead))
	got, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return position{}, err
	}
	h := fnv.New64a()
	h.Write(b[:got])
	return position{Head: got, Hash: h.Sum64()}, nil
}

// load reads the positions of the last run.
func load(path string) (map[string]position, error) {
	known := map[string]position{}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return known, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &known)
	}
	if err != nil {
		return nil, fmt.Errorf("the positions of log files cannot be read (remove the file to read all from the start): %s: %w", path, err)
	}
	return known, nil
}

// save replaces the position file as a whole, so a crash leaves the old one or the new one.
func (t *Tailer) save() error {
	for path, f := range t.files {
		t.known[path] = f.at
	}
	text, err := json.Marshal(t.known)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(t.config.Positions), ".positions-*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), t.config.Positions)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
