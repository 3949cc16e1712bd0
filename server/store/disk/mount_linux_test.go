package disk_test

import (
	"strconv"
	"syscall"
)

// mount puts a file system of its own, in memory, on dir. It needs root.
func mount(dir string, size int) error {
	return syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+strconv.Itoa(size))
}

func unmount(dir string) error { return syscall.Unmount(dir, syscall.MNT_DETACH) }
