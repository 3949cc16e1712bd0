package process

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	switch Role() {
	case "":
		os.Exit(m.Run())
	case "obeys":
		stopped := make(chan os.Signal, 1)
		signal.Notify(stopped, syscall.SIGTERM)
		fmt.Println("ready")
		<-stopped
	case "fails":
		fmt.Println("standard output")
		fmt.Fprintln(os.Stderr, "standard error")
		os.Exit(3)
	case "works":
		for start := time.Now(); time.Since(start) < time.Minute; {
		}
	}
}

func TestStop(t *testing.T) {
	p := Start(t, "obeys", Self("obeys"))
	Until(t, 10*time.Second, "it is ready", func() bool { return strings.Contains(p.Log(), "ready") })
	if !p.Running() {
		t.Error("it is not running")
	}
	p.Stop(t, 10*time.Second)
	if p.Running() {
		t.Error("it is still running")
	}
	p.Kill(t) // of what has ended does no harm
}

func TestKill(t *testing.T) {
	p := Start(t, "obeys", Self("obeys"))
	p.Kill(t)
	if code, ended := p.Wait(time.Second); code != -1 || !ended {
		t.Errorf("exit code %d, ended %v", code, ended)
	}
}

func TestRun(t *testing.T) {
	code, stdout, stderr := Run(t, 10*time.Second, Self("fails"))
	if code != 3 || stdout != "standard output\n" || stderr != "standard error\n" {
		t.Errorf("code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
}

// recorder is a test that is expected to fail.
type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Errorf(string, ...any) { r.failed = true }
func (r *recorder) Helper()               {}

func TestWhatDoesNotEndWellFailsTheTest(t *testing.T) {
	for name, cmd := range map[string]*exec.Cmd{"fails": Self("fails"), "works": Self("works")} {
		var r recorder
		p := Start(t, name, cmd)
		if name == "fails" {
			p.Wait(10 * time.Second)
		}
		if p.Ended(&r, 100*time.Millisecond); !r.failed {
			t.Errorf("%s: the test would have passed", name)
		}
		p.Kill(t)
	}
}

func TestWatch(t *testing.T) {
	p := Start(t, "works", Self("works"))
	Until(t, 20*time.Second, "it has used 50 ms of processor time", func() bool { return p.CPU(t) >= 50*time.Millisecond })
	if m := p.Memory(t); m < 1<<20 || m > 1<<30 {
		t.Errorf("it uses %d bytes of memory", m)
	}
}

func TestPause(t *testing.T) {
	p := Start(t, "works", Self("works"))
	for range 20 {
		p.Pause(t)
		if used := p.CPU(t); !Paused(t, p.PID()) || p.CPU(t) != used {
			t.Fatal("it goes on after it has stopped")
		}
		p.Signal(t, syscall.SIGCONT)
		Until(t, 20*time.Second, "it goes on", func() bool { return !Paused(t, p.PID()) })
	}
}

func TestAddressesAreFreeAndDiffer(t *testing.T) {
	seen := map[string]bool{}
	for range blockSize + 10 { // more than one block
		address := Address(t)
		if seen[address] {
			t.Fatalf("%s was given twice", address)
		}
		seen[address] = true
	}
	for address := range seen {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
	}
}
