// Package process starts programs for tests, signals them, watches them in /proc and makes sure that none is left.
package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Process is a program that was started for a test. It is killed when the test ends and has not stopped it.
type Process struct {
	name   string
	cmd    *exec.Cmd
	log    string // path
	exited chan struct{}
}

// killed bounds how long a process may take to vanish after SIGKILL.
const killed = 10 * time.Second

// Start starts a program. What it writes to standard error, and to standard output unless cmd has a place for it, goes
// to a log, whose end is shown when the test fails.
func Start(t testing.TB, name string, cmd *exec.Cmd) *Process {
	t.Helper()
	log, err := os.CreateTemp(t.TempDir(), name+"-*.log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close() // the child has its own descriptor
	cmd.Stderr = log
	if cmd.Stdout == nil {
		cmd.Stdout = log
	}
	dieWithParent(cmd)
	if err := launch(cmd); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	p := &Process{name: name, cmd: cmd, log: log.Name(), exited: make(chan struct{})}
	go func() {
		// How it ended stands in cmd.ProcessState.
		_ = cmd.Wait()
		close(p.exited)
	}()
	t.Cleanup(func() {
		p.Kill(t)
		if t.Failed() {
			t.Logf("end of the log of %s:\n%s", name, tail(p.Log(), 4000))
		}
	})
	return p
}

// Self prepares the running test binary as another program: its TestMain asks [Role] which one.
func Self(role string, args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...) //nolint:noctx // It is ended by Kill and Stop, not by a context.
	if path, err := filepath.Abs(os.Args[0]); err == nil {
		cmd.Path = path
	}
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	return cmd
}

const roleVariable = "GABION_TEST_ROLE"

// Role is the role that [Self] was given, "" for a test binary that is just that.
func Role() string { return os.Getenv(roleVariable) }

// PID is the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Running says whether the process has not ended yet.
func (p *Process) Running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// Signal sends a signal. It fails the test when the process has ended.
func (p *Process) Signal(t testing.TB, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Errorf("signal %s with %v: %v", p.name, s, err)
	}
}

// Kill ends the process with SIGKILL and waits for it. It may have ended before.
func (p *Process) Kill(t testing.TB) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("kill %s: %v", p.name, err)
	}
	if _, ok := p.Wait(killed); !ok {
		t.Errorf("%s did not end within %v of SIGKILL", p.name, killed)
	}
}

// Stop asks the process to end, with SIGTERM, and fails the test when it does not end within that time, with code 0.
func (p *Process) Stop(t testing.TB, within time.Duration) {
	t.Helper()
	p.Signal(t, syscall.SIGTERM)
	p.Ended(t, within)
}

// Ended fails the test when the process does not end within that time, with code 0.
func (p *Process) Ended(t testing.TB, within time.Duration) {
	t.Helper()
	code, ok := p.Wait(within)
	if !ok {
		t.Errorf("%s did not end within %v", p.name, within)
	} else if code != 0 {
		t.Errorf("%s ended with %v, want exit code 0", p.name, p.cmd.ProcessState)
	}
}

// Wait waits for the process to end and gives its exit code, -1 after a signal; false when it takes longer.
func (p *Process) Wait(within time.Duration) (code int, ended bool) {
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode(), true
	case <-timer.C:
		return 0, false
	}
}

// Log is what the process has written so far.
func (p *Process) Log() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return fmt.Sprintf("(the log cannot be read: %v)", err)
	}
	return string(text)
}

// Run runs a program to its end and gives its exit code and what it wrote.
func Run(t testing.TB, within time.Duration, cmd *exec.Cmd) (code int, stdout, stderr string) {
	t.Helper()
	var out, messages bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &messages
	cmd.WaitDelay = time.Second
	dieWithParent(cmd)
	if err := launch(cmd); err != nil {
		t.Fatalf("start %s: %v", cmd.Path, err)
	}
	timer := time.AfterFunc(within, func() {
		// It may have ended in this moment. Then there is nothing to kill.
		_ = cmd.Process.Kill()
	})
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("run %s: %v", cmd.Path, err)
	}
	if !timer.Stop() {
		t.Errorf("%s took longer than %v\n%s%s", strings.Join(cmd.Args, " "), within, out.String(), messages.String())
	}
	return cmd.ProcessState.ExitCode(), out.String(), messages.String()
}

func tail(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return "…" + text[len(text)-n:]
}
