package backend

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/gabion-io/gabion/test/process"
)

// Backend is a backend's process, seen from the test.
type Backend struct {
	name, address, journal string
	behaviour              Behaviour
	process                *process.Process
	commands               io.WriteCloser
	acknowledged           chan error
}

// answerWithin bounds how long a backend may take to start or to change.
const answerWithin = 20 * time.Second

// Start starts a backend on an address of its own. The test's TestMain must call [Main] for [Role].
func Start(t testing.TB, name string, b Behaviour) *Backend {
	t.Helper()
	backend := &Backend{
		name: name, address: process.Address(t), behaviour: b,
		journal: filepath.Join(inMemory(t), name+".journal"),
	}
	backend.Restart(t)
	return backend
}

// inMemory gives a directory that is not on the disk if there is one, so that a busy disk makes no backend slow.
func inMemory(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "backend-") //nolint:usetesting // That of the test is on the disk.
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// Restart starts the backend anew after [Backend.Kill], at the same address and with the last behaviour.
func (b *Backend) Restart(t testing.TB) {
	t.Helper()
	cmd := process.Self(Role)
	commands, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	reader, writer := io.Pipe()
	cmd.Stdout = writer
	acknowledged := make(chan error, 1)
	go func() {
		lines := bufio.NewScanner(reader)
		for lines.Scan() {
			acknowledged <- nil
		}
		acknowledged <- io.ErrUnexpectedEOF
	}()
	b.commands, b.acknowledged = commands, acknowledged
	b.process = process.Start(t, b.name, cmd)
	t.Cleanup(func() {
		_ = writer.Close() // has no error, and ends the goroutine above
	})
	b.command(t, start{Name: b.name, Address: b.address, Journal: b.journal, Behaviour: b.behaviour})
	process.Until(t, answerWithin, b.name+" answers", func() bool {
		resp, err := http.Get(b.URL() + "/healthz") //nolint:noctx // loopback, and Until gives up
		if err != nil {
			return false
		}
		resp.Body.Close()
		return true
	})
}

// command sends v and waits until the backend has acted on it.
func (b *Backend) command(t testing.TB, v any) {
	t.Helper()
	line, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.commands.Write(append(line, '\n')); err != nil {
		t.Fatalf("command to %s: %v", b.name, err)
	}
	select {
	case err := <-b.acknowledged:
		if err != nil {
			t.Fatalf("%s ended: %s", b.name, b.process.Log())
		}
	case <-time.After(answerWithin):
		t.Fatalf("%s did not follow a command within %v", b.name, answerWithin)
	}
}

// Set changes the behaviour, at once and for requests that hang.
func (b *Backend) Set(t testing.TB, next Behaviour) {
	t.Helper()
	b.behaviour = next
	b.command(t, next)
}

// Kill ends the backend with SIGKILL.
func (b *Backend) Kill(t testing.TB) { t.Helper(); b.process.Kill(t) }

// Freeze stops the backend with SIGSTOP: its connections stay open and nothing answers. Thaw lets it go on.
func (b *Backend) Freeze(t testing.TB) { t.Helper(); b.process.Pause(t) }

// Thaw ends what Freeze began.
func (b *Backend) Thaw(t testing.TB) { t.Helper(); b.process.Signal(t, syscall.SIGCONT) }

// Name is the backend's name, which is in every answer as payload.Backend.
func (b *Backend) Name() string { return b.name }

// Address is where it listens, as host:port.
func (b *Backend) Address() string { return b.address }

// URL is where it listens, as a URL without a slash at its end.
func (b *Backend) URL() string { return "http://" + b.address }
