package supervise

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/gabion-io/gabion/server/store"
)

// process is one run of the child.
type process struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	output *lastWords
	ended  chan struct{} // closed when it is gone
	why    string        // after ended
}

// outputWithin is how long the output may stay open after the child has ended, as when it has passed it on.
const outputWithin = time.Second

// launch starts the child with its settings.
func (c *Config) launch(settings store.Settings) (*process, error) {
	text, err := json.Marshal(settings)
	if err != nil {
		return nil, fmt.Errorf("writing its settings: %w", err)
	}
	p := &process{
		cmd:    exec.Command(c.Path, c.Args...), //nolint:noctx // it is ended by terminate, in two steps
		output: &lastWords{to: c.Output}, ended: make(chan struct{}),
	}
	p.cmd.Args[0] = os.Args[0]
	p.cmd.Env = c.Env
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	p.cmd.WaitDelay = outputWithin
	p.cmd.SysProcAttr = attributes()
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	started := make(chan error, 1)
	ownThread(func() { p.run(max(c.Nice, 0), started) })
	if err := <-started; err != nil {
		return nil, err
	}
	go func() { // it ends when the child has read, or is gone
		if _, err := io.Copy(p.stdin, bytes.NewReader(text)); err != nil {
			c.Log.Warn("the store did not take its settings", "error", err)
		}
	}()
	return p, nil
}

// run is the life of the child. It has a thread of its own: the child inherits the priority of the thread that starts it,
// and is told to end when that thread does, which is thrown away after.
func (p *process) run(nice int, started chan<- error) {
	defer close(p.ended)
	lower(nice)
	err := p.cmd.Start()
	if err != nil {
		err = fmt.Errorf("starting %s: %w", p.cmd.Path, err)
	} else {
		expendable(p.cmd.Process.Pid)
	}
	started <- err
	if err != nil {
		return
	}
	// What matters is in ProcessState; the rest is about the output.
	_ = p.cmd.Wait()
	p.why = p.cmd.ProcessState.String()
	if words := p.output.last(); words != "" {
		p.why += ": " + words
	}
}

// kill ends the child at once.
func (p *process) kill() {
	// It fails when the child has ended.
	_ = p.cmd.Process.Kill()
}

// terminate lets the child end by itself and kills it when it has not within the time. It returns when the child is gone,
// or when it survives even that, as in a call of the system that cannot be interrupted.
func (p *process) terminate(within time.Duration) {
	// Either of the two is enough, and both fail when the child has ended.
	_ = p.stdin.Close()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
		return
	case <-time.After(within):
	}
	p.kill()
	select {
	case <-p.ended:
	case <-time.After(within):
	}
}

// lastWords passes output on and remembers the line that says best why a process ended.
type lastWords struct {
	to io.Writer

	mu       sync.Mutex
	line     []byte // that is being written, cut
	ended    string // the last line that has ended and is not empty
	panicked string // the first line of a panic
}

const maxWords = 300

// Write implements [io.Writer]. When the output fails, the child must not notice.
func (w *lastWords) Write(b []byte) (int, error) {
	w.mu.Lock()
	for line := range bytes.Lines(b) {
		text := bytes.TrimRight(line, "\r\n")
		w.line = append(w.line, text[:min(len(text), maxWords-len(w.line))]...)
		if len(text) < len(line) {
			w.end()
		}
	}
	w.mu.Unlock()
	// What cannot be passed on is lost: there is nobody to tell.
	_, _ = w.to.Write(b)
	return len(b), nil
}

// end ends a line. The lock is held.
func (w *lastWords) end() {
	text := bytes.TrimSpace(w.line)
	if w.panicked == "" && (bytes.HasPrefix(text, []byte("panic: ")) || bytes.HasPrefix(text, []byte("fatal error: "))) {
		w.panicked = string(text)
	}
	if len(text) > 0 && !chatter(text) {
		w.ended = string(text)
	}
	w.line = w.line[:0]
}

// chatter says whether a line is a record of the log that is no error: it says nothing about an end.
func chatter(line []byte) bool {
	return bytes.HasPrefix(line, []byte("{")) && !bytes.Contains(line, []byte(`"level":"ERROR"`))
}

// last is the line.
func (w *lastWords) last() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end()
	if w.panicked != "" {
		return w.panicked
	}
	return w.ended
}
