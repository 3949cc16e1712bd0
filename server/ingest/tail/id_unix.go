//go:build unix

package tail

import (
	"fmt"
	"os"
	"syscall"
)

// idOf is the device and the inode of a file.
func idOf(info os.FileInfo) string {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return fmt.Sprintf("%d:%d", s.Dev, s.Ino)
	}
	return ""
}
