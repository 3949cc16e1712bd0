package journal

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
)

// memoryFS is a file system that can fail, and lose its power.
type memoryFS struct {
	mu      sync.Mutex
	files   map[string]*inode
	durable map[string]*inode // the directory, as it was synced
	room    int               // bytes that can still be written; -1 for no bound
	locked  bool

	syncs     int
	syncErr   error         // of the next syncs
	cutErr    error         // of the next truncates
	removeErr error         // of the next removes
	hold      chan struct{} // when set, syncs wait until it is closed
	lying     bool          // syncs do nothing
}

type inode struct {
	data   []byte
	synced []byte
	bad    int64 // reads that include this offset fail, if it is not 0
}

func newMemoryFS() *memoryFS {
	return &memoryFS{files: map[string]*inode{}, durable: map[string]*inode{}, room: -1}
}

func (m *memoryFS) MkdirAll(string) error { return nil }

func (m *memoryFS) List(string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for path := range m.files {
		names = append(names, filepath.Base(path))
	}
	return names, nil
}

func (m *memoryFS) Open(path string, create bool) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.files[path]
	switch {
	case create && m.room == 0:
		return nil, &fs.PathError{Op: "open", Path: path, Err: syscall.ENOSPC}
	case create:
		n = &inode{}
		m.files[path] = n
	case n == nil:
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return &memoryFile{fs: m, inode: n}, nil
}

func (m *memoryFS) Remove(path string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.removeErr != nil {
		return m.removeErr
	}
	delete(m.files, path)
	return nil
}

func (m *memoryFS) SyncDir(string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.lying {
		m.durable = maps.Clone(m.files)
	}
	return nil
}

type memoryLock struct{ fs *memoryFS }

func (l memoryLock) Close() error {
	l.fs.mu.Lock()
	defer l.fs.mu.Unlock()
	l.fs.locked = false
	return nil
}

func (m *memoryFS) Lock(string) (io.Closer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.locked {
		return nil, ErrLocked
	}
	m.locked = true
	return memoryLock{m}, nil
}

// after is what is on the disk when the power was cut: files and their sizes as they were synced or as they became later, and
// of each sector the old or the new bytes, or zeros where there were none.
func (m *memoryFS) after(random *rand.Rand) *memoryFS {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := newMemoryFS()
	paths := slices.Sorted(maps.Keys(m.files))
	for path := range m.durable {
		if m.files[path] == nil { // removed, but that was not synced
			paths = append(paths, path)
		}
	}
	for _, path := range paths {
		n, durable := m.files[path], m.durable[path] != nil
		if n == nil {
			n = m.durable[path]
		}
		if !durable && random.IntN(2) == 0 {
			continue
		}
		data := n.crash(random)
		file := &inode{data: data, synced: slices.Clone(data)}
		next.files[path], next.durable[path] = file, file
	}
	return next
}

const sector = 64 // small, so that there are many

func (n *inode) crash(random *rand.Rand) []byte {
	size := len(n.synced)
	if d := len(n.data) - size; d > 0 {
		size += random.IntN(d + 1)
	} else if d < 0 && random.IntN(2) == 0 {
		size = len(n.data)
	}
	data := make([]byte, size)
	copy(data, n.synced)
	for at := 0; at < size; at += sector {
		if random.IntN(2) == 0 && at < len(n.data) {
			copy(data[at:min(at+sector, size)], n.data[at:])
		}
	}
	return data
}

type memoryFile struct {
	fs    *memoryFS
	inode *inode
}

func (f *memoryFile) ReadAt(b []byte, at int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if bad := f.inode.bad; bad > 0 && at < bad && at+int64(len(b)) >= bad {
		return 0, errDisk
	}
	if at >= int64(len(f.inode.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.inode.data[at:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memoryFile) WriteAt(b []byte, at int64) (n int, err error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if grow := int(at) + len(b) - len(f.inode.data); grow > 0 && f.fs.room >= 0 {
		if grow > f.fs.room {
			b, err = b[:max(len(b)-grow+f.fs.room, 0)], syscall.ENOSPC
			grow = f.fs.room
		}
		f.fs.room -= grow
	}
	if need := int(at) + len(b); need > len(f.inode.data) {
		f.inode.data = append(f.inode.data, make([]byte, need-len(f.inode.data))...)
	}
	return copy(f.inode.data[at:], b), err
}

func (f *memoryFile) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return int64(len(f.inode.data)), nil
}

func (f *memoryFile) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.fs.cutErr != nil {
		return f.fs.cutErr
	}
	if f.fs.room >= 0 {
		f.fs.room += len(f.inode.data) - int(size)
	}
	f.inode.data = f.inode.data[:size:size]
	return nil
}

func (f *memoryFile) Sync() error {
	f.fs.mu.Lock()
	hold := f.fs.hold
	f.fs.syncs++
	f.fs.mu.Unlock()
	if hold != nil {
		<-hold
	}
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.fs.syncErr != nil {
		return f.fs.syncErr
	}
	if !f.fs.lying {
		f.inode.synced = slices.Clone(f.inode.data)
	}
	return nil
}

func (f *memoryFile) Close() error { return nil }

// set changes how the file system behaves.
func (m *memoryFS) set(change func(*memoryFS)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(m)
}

var errDisk = errors.New("input/output error")

func (m *memoryFS) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.syncs
}
