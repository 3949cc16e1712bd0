//go:build unix

package store

import (
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// private makes what this process writes unreadable for others, and lets it outlive its standard error: when the parent
// is gone, a message must not end the process before it has closed what is open.
func private() {
	syscall.Umask(0o077)
	signal.Ignore(syscall.SIGPIPE, syscall.SIGHUP)
}

// lock takes the lock of f, or returns errLocked. It ends with the process.
func lock(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errLocked
	}
	return err
}
