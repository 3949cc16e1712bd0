//go:build unix && !linux

package supervise

import "syscall"

// attributes keep signals of the terminal from the child: what is in flight when the gateway drains still has to be kept.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func lower(int) {}

func expendable(int) {}

// ownThread runs f in a goroutine: here, nothing depends on the thread.
func ownThread(f func()) { go f() }
