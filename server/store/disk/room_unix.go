//go:build linux || darwin

package disk

import (
	"io/fs"
	"syscall"
)

// room asks the file system of dir.
func room(dir string) (Usage, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return Usage{}, err
	}
	block := int64(s.Bsize) //nolint:unconvert // it has 32 bits on other systems
	return Usage{
		Total: int64(s.Blocks) * block, Free: int64(s.Bavail) * block,
		Files: int64(s.Files), FilesFree: int64(s.Ffree),
	}, nil
}

// allocated is how many bytes of the disk a file takes, which is less than its size when it has holes.
func allocated(info fs.FileInfo) int64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Blocks * 512
	}
	return info.Size()
}
