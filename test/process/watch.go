package process

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Until waits until a condition holds, and fails the test at once when it takes longer.
func Until(t testing.TB, within time.Duration, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for !holds() {
		select {
		case <-again.C:
		case <-deadline.C:
			t.Fatalf("waited %v in vain until %s", within, what)
		}
	}
}

// ticksPerSecond is the unit of times in /proc/PID/stat, which Linux fixed for programs long ago.
const ticksPerSecond = 100

// CPU is how much processor time the process has used.
func (p *Process) CPU(t testing.TB) time.Duration { t.Helper(); return CPUOf(t, p.PID()) }

// CPUOf is how much processor time a process has used.
func CPUOf(t testing.TB, pid int) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	// The name in parentheses may hold anything. What follows starts with the third field.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	var ticks int64
	for _, field := range fields[11:13] { // utime, stime
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / ticksPerSecond
}

// Pause stops the process with SIGSTOP and waits until none of its threads runs any more: the signal itself comes to them
// later. SIGCONT lets it go on.
func (p *Process) Pause(t testing.TB) {
	t.Helper()
	p.Signal(t, syscall.SIGSTOP)
	Until(t, stopped, p.name+" has stopped", func() bool { return Paused(t, p.PID()) })
}

// stopped bounds how long a process may take to stand still after SIGSTOP.
const stopped = 10 * time.Second

// Paused says whether all threads of a process stand still after SIGSTOP.
func Paused(t testing.TB, pid int) bool {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(threads) == 0 {
		t.Fatalf("process %d has no threads: %v", pid, err)
	}
	for _, thread := range threads {
		text, err := os.ReadFile(thread)
		if err != nil {
			return false // a thread that has just ended
		}
		if state := text[bytes.LastIndexByte(text, ')')+2]; state != 'T' {
			return false
		}
	}
	return true
}

// Memory is how many bytes of the process are in memory.
func (p *Process) Memory(t testing.TB) int64 { t.Helper(); return MemoryOf(t, p.PID()) }

// MemoryOf is how many bytes of a process are in memory.
func MemoryOf(t testing.TB, pid int) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n << 10
		}
	}
	t.Fatalf("/proc/%d/status has no VmRSS", pid)
	return 0
}
