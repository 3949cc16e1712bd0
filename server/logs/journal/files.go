package journal

import (
	"errors"
	"io"
	"os"
	"runtime"
)

// FS is what a journal needs of a file system. Paths are those of the operating system.
type FS interface {
	// MkdirAll makes a directory and those above it, as [os.MkdirAll].
	MkdirAll(dir string) error
	// List returns the names in a directory.
	List(dir string) ([]string, error)
	// Open opens a file to read and write; create makes it, or empties the one that is there.
	Open(path string, create bool) (File, error)
	Remove(path string) error
	// SyncDir makes durable which files are in the directory.
	SyncDir(dir string) error
	// Lock takes a lock that ends with the process or when it is closed. [ErrLocked] when somebody has it.
	Lock(path string) (io.Closer, error)
}

// File is one file of an [FS].
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Size() (int64, error)
	Truncate(size int64) error
	// Sync makes durable what was written.
	Sync() error
}

type diskFS struct{}

func (diskFS) MkdirAll(dir string) error { return os.MkdirAll(dir, 0o700) }

func (diskFS) List(dir string) ([]string, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

func (diskFS) Open(path string, create bool) (File, error) {
	flags := os.O_RDWR
	if create {
		flags |= os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return nil, err
	}
	return diskFile{f}, nil
}

func (diskFS) Remove(path string) error { return os.Remove(path) }

func (diskFS) SyncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // directories cannot be opened there, and need not be
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (diskFS) Lock(path string) (io.Closer, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lock(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

type diskFile struct{ *os.File }

func (f diskFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
