//go:build unix && !linux

package demo

import "syscall"

// attributes keep signals of the terminal from a part.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
