package disk

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"syscall"
)

// ballastName is the name of the file in the guarded directory.
const ballastName = "ballast"

// ballast is a file that holds room back.
type ballast struct {
	path string
	size int64
	wait int // looks until it is tried again to make it
}

// missing is how many bytes are not there and should be.
func (b *ballast) missing() int64 {
	info, err := os.Lstat(b.path)
	if err != nil || !info.Mode().IsRegular() {
		return b.size
	}
	return max(b.size-info.Size(), 0)
}

// release gives the room free. A file system that is entirely full may refuse to delete a file, but not to cut it, so
// that is done first.
func (b *ballast) release() {
	if _, err := os.Lstat(b.path); errors.Is(err, fs.ErrNotExist) {
		return
	}
	// When one of the two fails, the next look tries again: the ballast is still there.
	_ = os.Truncate(b.path, 0)
	_ = os.Remove(b.path)
}

// hold makes the file if it is not there. When that fails, nothing is left behind, and it is tried again after some more
// looks.
func (b *ballast) hold() {
	if b.missing() == 0 {
		return
	}
	if b.wait > 0 {
		b.wait--
		return
	}
	f, err := os.OpenFile(b.path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		b.wait = countEvery
		return
	}
	err = reserve(f, b.size)
	if err != nil && !noRoom(err) { // the file system cannot do that
		err = fill(f, b.size)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		b.release()
		b.wait = countEvery
	}
}

// noRoom tells an error of a full disk or a used quota from others.
func noRoom(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// fill writes n bytes that no file system can make smaller.
func fill(f *os.File, n int64) error {
	source := rand.NewChaCha8([32]byte{})
	piece := make([]byte, 1<<20)
	for at := int64(0); at < n; at += int64(len(piece)) {
		if _, err := source.Read(piece); err != nil {
			return err
		}
		if _, err := f.WriteAt(piece[:min(n-at, int64(len(piece)))], at); err != nil {
			return err
		}
	}
	return f.Sync()
}
