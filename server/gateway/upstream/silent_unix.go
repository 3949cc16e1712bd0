//go:build unix

package upstream

import "syscall"

// silent tells whether the endpoint has neither closed an idle connection nor said anything on it. It does not wait.
func (c *conn) silent() bool {
	silent := false
	err := c.raw.Read(func(fd uintptr) bool {
		var one [1]byte
		_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		silent = err == syscall.EAGAIN || err == syscall.EWOULDBLOCK
		return true
	})
	return silent && err == nil
}
