package demo

import "syscall"

// attributes keep signals of the terminal from a part, and let it end with this process even while it is stopped.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
