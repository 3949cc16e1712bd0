package e2e

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gabion-io/gabion/test/harness"
	"github.com/gabion-io/gabion/test/process"
)

// terminal is a pseudo terminal, and what was written to it.
type terminal struct {
	file *os.File // the side of the program

	mu   sync.Mutex
	text strings.Builder
}

func openTerminal(t *testing.T) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	unlock, n := 0, 0
	err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, unlock)
	if err == nil {
		n, err = unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	}
	if err != nil {
		t.Fatal(err)
	}
	side, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	x := &terminal{file: side}
	read := make(chan struct{})
	go func() {
		defer close(read)
		// It ends with an error when the other side is closed.
		_, _ = io.Copy(x, master)
	}()
	t.Cleanup(func() {
		side.Close()
		<-read
		master.Close()
	})
	return x
}

// Write takes what the program wrote.
func (x *terminal) Write(p []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.text.Write(p)
}

// shows says whether a text is on the screen.
func (x *terminal) shows(text string) bool { return strings.Contains(x.String(), text) }

func (x *terminal) String() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.text.String()
}

// What a gateway keeps is seen in a terminal.
func TestTheStoreInATerminal(t *testing.T) {
	t.Parallel()
	g := storing(t)
	for i, level := range []string{"info", "error"} {
		g.Send("/api/v1/metrics", "text/plain", fmt.Sprintf("e2e_seen{color=\"c%d\"} %d\n", i, i+41))
		g.Send("/api/v1/logs", "application/x-ndjson", fmt.Sprintf(`{"service":"till","level":%q,"msg":"line %d","color":"red"}`+"\n", level, i))
	}
	gabion := func(args ...string) *exec.Cmd {
		cmd := exec.Command(harness.Binary(t), append(args, "--admin", g.Admin)...)
		cmd.Env = append(os.Environ(), "TERM=xterm")
		return cmd
	}
	code, out, errOut := process.Run(t, runWithin, gabion("query", "e2e_seen"))
	if code != 0 || out != "e2e_seen\n  COLOR  VALUE\n  c0        41\n  c1        42\n" {
		t.Errorf("%d\n%s%s", code, out, errOut)
	}
	code, out, errOut = process.Run(t, runWithin, gabion("logs", "--level", "error", "-s", "till"))
	if code != 0 || !strings.HasSuffix(out, " ERROR till  line 1 color=red\n") || strings.Count(out, "\n") != 1 {
		t.Errorf("%d\n%s%s", code, out, errOut)
	}
	code, out, errOut = process.Run(t, runWithin, gabion("query", "e2e_seen{"))
	if code != 2 || out != "" || !strings.Contains(errOut, "\n  e2e_seen{\n           ^\n") {
		t.Errorf("%d\n%s%s", code, out, errOut)
	}

	screen := openTerminal(t)
	follow := gabion("logs", "-f", "-s", "till")
	follow.Stdout = screen.file
	p := process.Start(t, "gabion-logs", follow)
	process.Until(t, runWithin, "the last lines are shown", func() bool { return screen.shows("line 1") })
	g.Send("/api/v1/logs", "application/x-ndjson", `{"service":"till","level":"warn","msg":"came in"}`+"\n")
	process.Until(t, runWithin, "a line that came in is shown", func() bool { return screen.shows("came in") })
	pid := g.SignalStore(t, syscall.SIGKILL)
	process.Until(t, upWithin, "another store is up", func() bool { s := g.Store(t); return s.State == "up" && s.PID != pid })
	g.Send("/api/v1/logs", "application/x-ndjson", `{"service":"till","level":"warn","msg":"came later"}`+"\n")
	process.Until(t, runWithin, "a line of another store is shown", func() bool { return screen.shows("came later") })
	p.Signal(t, os.Interrupt)
	p.Ended(t, runWithin)
	for _, once := range []string{"line 0", "line 1", "came in", "came later"} {
		if strings.Count(screen.String(), once) != 1 {
			t.Errorf("not once: %q in\n%s", once, screen.String())
		}
	}
	if !screen.shows("\x1b[31mERROR") {
		t.Errorf("no colours on a terminal: %q", screen.String())
	}
}
