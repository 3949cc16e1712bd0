//go:build !linux

package process

import "os/exec"

func dieWithParent(*exec.Cmd) {}

func launch(cmd *exec.Cmd) error { return cmd.Start() }
