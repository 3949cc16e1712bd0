package disk

import (
	"os"
	"syscall"
)

// reserve takes n bytes of the disk without writing them.
func reserve(f *os.File, n int64) error { return syscall.Fallocate(int(f.Fd()), 0, 0, n) }
