//go:build !unix

package supervise

import "syscall"

func attributes() *syscall.SysProcAttr { return nil }

func lower(int) {}

func expendable(int) {}

// ownThread runs f in a goroutine: here, nothing depends on the thread.
func ownThread(f func()) { go f() }
