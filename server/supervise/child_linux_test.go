package supervise_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gabion-io/gabion/server/event"
	"github.com/gabion-io/gabion/server/store"
	"github.com/gabion-io/gabion/server/supervise"
)

func TestUpAndClosed(t *testing.T) {
	b := start(t, "store", func(cfg *supervise.Config) { cfg.Settings.Parts = json.RawMessage(`{"password":"hunter2"}`) })
	pid := b.up(t)
	if s := b.Status(); s.State != supervise.Up || s.Restarts != 0 || s.Reason != "" || s.Disk != "ok" || !s.Retry.IsZero() {
		t.Errorf("%+v", s)
	}
	if err := b.WaitUp(t.Context()); err != nil || !b.Up() {
		t.Error(err)
	}
	checkProcess(t, pid)
	b.Close()
	if !gone(pid) {
		t.Error("the process is still there")
	}
	if _, err := os.Stat(filepath.Join(b.dir, "closed")); err != nil {
		t.Errorf("it did not close what was open: %v", err)
	}
	if got := b.events.text(); got != "starting up stopped" {
		t.Error(got)
	}
	for _, e := range b.events.all() {
		if e.Kind != event.KindStore {
			t.Errorf("%+v", e)
		}
	}
	if s := b.Status(); s.State != supervise.Stopped || s.PID != 0 {
		t.Errorf("%+v", s)
	}
	if err := b.WaitUp(t.Context()); !errors.Is(err, supervise.ErrStopped) {
		t.Error(err)
	}
}

// checkProcess looks at the process from outside.
func checkProcess(t *testing.T, pid int) {
	t.Helper()
	read := func(pid, name string) string {
		text, err := os.ReadFile("/proc/" + pid + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	nice := func(stat string) int {
		_, rest, _ := strings.Cut(stat, ") ")
		n, err := strconv.Atoi(strings.Fields(rest)[16])
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	child, here := strconv.Itoa(pid), nice(read("self", "stat"))
	tasks, err := os.ReadDir("/proc/" + child + "/task")
	if err != nil || len(tasks) < 2 {
		t.Fatalf("%d threads, %v", len(tasks), err)
	}
	for _, task := range tasks {
		if got := nice(read(child, "task/"+task.Name()+"/stat")); got != min(here+10, 19) {
			t.Errorf("niceness %d of a thread, %d here", got, here)
		}
	}
	if got := nice(read("self", "stat")); got != here {
		t.Errorf("niceness %d here", got)
	}
	if got := read(child, "oom_score_adj"); got != "500\n" {
		t.Errorf("oom_score_adj %s", got)
	}
	if seen := read(child, "cmdline") + read(child, "environ"); strings.Contains(seen, "hunter2") {
		t.Error("a secret is visible from outside")
	}
}

func TestKilled(t *testing.T) {
	b := start(t, "store", nil)
	pid := b.up(t)
	send(t, pid, syscall.SIGKILL)
	b.upAgain(t, pid)
	if s := b.Status(); s.Restarts != 1 || !strings.HasPrefix(s.Reason, "signal: killed") {
		t.Errorf("%+v", s)
	}
	until(t, "events", func() bool { return b.events.text() == "starting up down restarting up" })
	if e := b.events.all()[2]; !strings.HasPrefix(e.Reason, "signal: killed") || !strings.HasSuffix(e.Reason, "; start 1 that did not last") {
		t.Errorf("%+v", e)
	}
}

func TestTheWaitBeginsAnewWhenItWasWell(t *testing.T) {
	for _, c := range []struct {
		well time.Duration
		want string
	}{{time.Nanosecond, "; start 1 that did not last"}, {time.Hour, "; start 2 that did not last"}} {
		b := start(t, "store", func(cfg *supervise.Config) { cfg.Well = c.well })
		for range 2 {
			pid := b.up(t)
			send(t, pid, syscall.SIGKILL)
			b.upAgain(t, pid)
		}
		b.Close()
		last := ""
		for _, e := range b.events.all() {
			if e.To == string(supervise.Down) {
				last = e.Reason
			}
		}
		if !strings.HasSuffix(last, c.want) {
			t.Errorf("%q, want %q", last, c.want)
		}
	}
}

func TestReconfigure(t *testing.T) {
	b := start(t, "store", func(cfg *supervise.Config) {
		cfg.Backoff, cfg.BackoffMax = time.Hour, time.Hour // it does not wait
		cfg.Settings.Parts = json.RawMessage(`{"keep":1}`)
	})
	pid := b.up(t)
	settings := store.Settings{Stop: 5 * time.Second, Parts: json.RawMessage(`{"keep":1}`)}
	b.Reconfigure(settings)
	settings.Parts = json.RawMessage(`{"keep":2}`)
	b.Reconfigure(settings)
	b.upAgain(t, pid)
	if w := b.get("/settings"); w.Body.String() != `{"keep":2}` {
		t.Error(w.Body)
	}
	if _, err := os.Stat(filepath.Join(b.dir, "closed")); err != nil {
		t.Errorf("it did not close what was open: %v", err)
	}
	if s := b.Status(); s.Restarts != 1 || s.Reason != "" {
		t.Errorf("%+v", s)
	}
	until(t, "events", func() bool { return b.events.text() == "starting up restarting up" })
	if e := b.events.all()[2]; e.Reason != "new settings" {
		t.Errorf("%+v", e)
	}
}

func TestReconfigureWhileItWaits(t *testing.T) {
	b := start(t, "store", func(cfg *supervise.Config) { cfg.Backoff, cfg.BackoffMax = 100*time.Hour, 100*time.Hour })
	pid := b.up(t)
	send(t, pid, syscall.SIGKILL)
	until(t, "the wait", func() bool { return !b.Status().Retry.IsZero() })
	w := b.get("/echo/")
	seconds, err := strconv.Atoi(w.Header().Get("Retry-After"))
	if left := time.Until(b.Status().Retry).Seconds(); err != nil || float64(seconds) < left || float64(seconds) > left+30 {
		t.Errorf("Retry-After %d, %.0f s are left, %v", seconds, left, err)
	}
	b.Reconfigure(store.Settings{Memory: 1 << 40})
	b.upAgain(t, pid)
}

func TestStopped(t *testing.T) {
	b := start(t, "store", nil)
	pid := b.up(t)
	pause(t, pid)
	b.upAgain(t, pid)
	if s := b.Status(); !strings.HasPrefix(s.Reason, "it hangs: 3 checks in a row failed, the last one with: ") {
		t.Errorf("%+v", s)
	}
	if !gone(pid) {
		t.Error("the process that hung is still there")
	}
}

// TestStoppedWithoutChecks is the negative twin: nobody notices.
func TestStoppedWithoutChecks(t *testing.T) {
	b := start(t, "store", func(cfg *supervise.Config) {
		cfg.Failures, cfg.CheckTimeout, cfg.Settings.Stop = 1<<30, 10*time.Millisecond, 100*time.Millisecond
	})
	pid := b.up(t)
	pause(t, pid)
	<-time.After(time.Second)
	if s := b.Status(); s.State != supervise.Up || s.PID != pid {
		t.Errorf("%+v", s)
	}
}

func TestPausedShorterThanItTakes(t *testing.T) {
	b := start(t, "store", func(cfg *supervise.Config) { cfg.CheckTimeout = 10 * time.Second })
	pid := b.up(t)
	pause(t, pid)
	<-time.After(100 * time.Millisecond)
	send(t, pid, syscall.SIGCONT)
	<-time.After(100 * time.Millisecond)
	if s := b.Status(); s.State != supervise.Up || s.PID != pid || s.Restarts != 0 {
		t.Errorf("%+v", s)
	}
}

func TestACrashLoopIsSlowAndQuiet(t *testing.T) {
	var b *bundle
	var waits []time.Duration
	var since []time.Time
	ready := make(chan struct{})
	events := &sink{hook: func(e event.Event) {
		<-ready
		if s := b.Status(); e.To == string(supervise.Down) {
			waits, since = append(waits, time.Until(s.Retry)), append(since, s.Since)
		}
	}}
	b = start(t, "exit", func(cfg *supervise.Config) {
		cfg.Events, cfg.Backoff, cfg.BackoffMax = events, time.Millisecond, 4*time.Millisecond
	})
	close(ready)
	until(t, "restarts", func() bool { return b.Status().Restarts >= 20 })
	b.Close()
	if s := b.Status(); s.Reason != "exit status 3: gabion: the data is damaged" {
		t.Errorf("%+v", s)
	}
	if got := events.text(); !strings.HasPrefix(got, "starting down restarting down restarting down restarting down restarting down") || len(strings.Fields(got)) > 13 {
		t.Errorf("%s", got)
	}
	if slices.Max(waits) > 3*4*time.Millisecond {
		t.Errorf("%v", waits)
	}
	if len(since) < 4 || !since[len(since)-1].Equal(since[0]) {
		t.Errorf("it never was up, but is not since %v", since)
	}
}

func TestAPanicIsTheReason(t *testing.T) {
	b := start(t, "store", nil)
	pid := b.up(t)
	go b.get("/panic")
	b.upAgain(t, pid)
	if s := b.Status(); !strings.Contains(s.Reason, "exit status 2: panic: the database met a full disk") {
		t.Errorf("%+v", s)
	}
}

func TestSlowToOpen(t *testing.T) {
	b := start(t, "store", func(cfg *supervise.Config) {
		cfg.AnswerWithin = 10 * time.Second
		if err := os.WriteFile(filepath.Join(cfg.Settings.Dir, "wait"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	})
	until(t, "an answer", func() bool { return b.Status().Disk == "ok" })
	if s := b.Status(); s.State != supervise.Starting || s.PID == 0 || b.Up() {
		t.Errorf("%+v", s)
	}
	if err := os.Remove(filepath.Join(b.dir, "wait")); err != nil {
		t.Fatal(err)
	}
	b.up(t)
	if s := b.Status(); s.Restarts != 0 {
		t.Errorf("%+v", s)
	}
}

func TestNeverAnswers(t *testing.T) {
	b := start(t, "never", func(cfg *supervise.Config) {
		cfg.AnswerWithin, cfg.Settings.Stop = 200*time.Millisecond, 100*time.Millisecond
	})
	until(t, "two restarts", func() bool { return b.Status().Restarts >= 2 })
	if s := b.Status(); !strings.HasPrefix(s.Reason, "it did not answer within 200ms: ") {
		t.Errorf("%+v", s)
	}
}

func TestWaitUpEndsInTime(t *testing.T) {
	b := start(t, "never", func(cfg *supervise.Config) { cfg.Settings.Stop = 100 * time.Millisecond })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := b.WaitUp(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestNoProgram(t *testing.T) {
	b := start(t, "store", func(cfg *supervise.Config) { cfg.Path = filepath.Join(t.TempDir(), "none") })
	until(t, "a restart", func() bool { return b.Status().Restarts >= 1 })
	if s := b.Status(); !strings.HasPrefix(s.Reason, "starting ") || s.PID != 0 {
		t.Errorf("%+v", s)
	}
}

func TestDeaf(t *testing.T) {
	b := start(t, "deaf", func(cfg *supervise.Config) { cfg.Settings.Stop = 200 * time.Millisecond })
	pid := b.up(t)
	b.Close()
	if !gone(pid) {
		t.Error("the process is still there")
	}
}

func TestTheDisk(t *testing.T) {
	b := start(t, "store", func(cfg *supervise.Config) { cfg.Settings.Disk.Quota = 1 })
	b.up(t)
	until(t, "full", func() bool { return b.Status().Disk == "full" })
	until(t, "the event", func() bool { return strings.Contains(b.events.text(), "full") })
	events := b.events.all()
	at := slices.IndexFunc(events, func(e event.Event) bool { return e.Key == "disk" })
	if e := events[at]; e.To != "full" || !strings.Contains(e.Reason, "are used of a quota of") {
		t.Errorf("%+v", e)
	}
}

// TestAnotherProcessHasTheSocket: what an orphan answers is not taken for the child's answer.
func TestAnotherProcessHasTheSocket(t *testing.T) {
	b := start(t, "store", nil)
	b.up(t)
	second := start(t, "never", func(cfg *supervise.Config) {
		cfg.Settings.Dir, cfg.AnswerWithin, cfg.Settings.Stop = b.dir, 200*time.Millisecond, 100*time.Millisecond
	})
	until(t, "a restart", func() bool { return second.Status().Restarts >= 1 })
	if s := second.Status(); !strings.HasSuffix(s.Reason, "another process answers on the socket") || strings.Contains(second.events.text(), "up") {
		t.Errorf("%+v", s)
	}
	if !b.Up() {
		t.Errorf("%+v", b.Status())
	}
}

func TestParentKilled(t *testing.T) {
	dir := t.TempDir()
	killParent(t, dir, "store", "kept")
	// That its standard error is gone too must not end it before it has closed what was open.
	if _, err := os.Stat(filepath.Join(dir, "closed")); err != nil {
		t.Errorf("it did not close what was open: %v", err)
	}
}

// TestParentKilledWithoutStore: a child that does not look at its standard input ends too.
func TestParentKilledWithoutStore(t *testing.T) { killParent(t, t.TempDir(), "never", "store.lock") }

// killParent starts a parent with a child, kills it when the child has made a file, and waits until the child is gone.
func killParent(t *testing.T, dir, name, file string) {
	t.Helper()
	parent := exec.Command("/proc/self/exe", "as", "parent", dir, name)
	var output bytes.Buffer
	parent.Stderr = &output
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	pid := 0
	until(t, "a child", func() bool {
		_, made := os.Stat(filepath.Join(dir, file))
		text, read := os.ReadFile(filepath.Join(dir, "store.lock"))
		var err error
		pid, err = strconv.Atoi(strings.TrimSpace(string(text)))
		return errors.Join(made, read, err) == nil
	})
	if gone(pid) {
		t.Fatalf("the child %d is gone already", pid)
	}
	t.Cleanup(func() {
		if !gone(pid) {
			send(t, pid, syscall.SIGKILL)
		}
	})
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	until(t, "the end of the child", func() bool { return gone(pid) })
	if err := parent.Wait(); err == nil {
		t.Error("the parent was not killed")
	}
}

func TestBadConfig(t *testing.T) {
	_, err := supervise.Start(t.Context(), supervise.Config{Settings: store.Settings{Dir: "/" + strings.Repeat("x", 200)}})
	if err == nil || !strings.Contains(err.Error(), "shorter path") {
		t.Error(err)
	}
	if _, err := os.Stat("/" + strings.Repeat("x", 200)); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
