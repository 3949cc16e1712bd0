package supervise_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gabion-io/gabion/server/event"
	"github.com/gabion-io/gabion/server/store"
	"github.com/gabion-io/gabion/server/supervise"
)

// TestMain lets the binary of the test also be the child that it starts, and the parent that it kills.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "as" {
		os.Exit(children[os.Args[2]]())
	}
	goleak.VerifyTestMain(m)
}

// children are what a child of a test may be, by name.
var children = map[string]func() int{
	"store": runStore,
	"exit": func() int {
		fmt.Fprintln(os.Stderr, "gabion: the data is damaged")
		return 3
	},
	"never": func() int { // does not even take its settings
		if len(os.Args) > 3 { // a directory
			if err := os.WriteFile(filepath.Join(os.Args[3], "store.lock"), []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
				return 1
			}
		}
		select {}
	},
	"deaf": func() int { // a store that does not end when it is told to
		signal.Ignore(syscall.SIGTERM)
		go runStore()
		select {}
	},
	"parent": func() int {
		_, err := supervise.Start(context.Background(), supervise.Config{
			Settings: store.Settings{Dir: os.Args[3]}, Args: []string{"as", os.Args[4], os.Args[3]}, Output: os.Stderr,
		})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		select {}
	},
}

func runStore() int {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	err := store.Run(context.Background(), store.Config{
		In: os.Stdin, Log: log,
		Parts: func(env store.Env) ([]store.Part, error) {
			return []store.Part{&keeper{dir: env.Dir, settings: string(env.Parts)}}, nil
		},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "gabion:", err)
		return 1
	}
	return 0
}

// keeper is a part that keeps what it gets in a file, one line each.
type keeper struct {
	dir, settings string
	file          *os.File
}

func (k *keeper) Name() string { return "keeper" }

// Open waits while there is a file "wait".
func (k *keeper) Open(ctx context.Context) (err error) {
	fmt.Fprintln(os.Stderr, "opening")
	for {
		if _, err := os.Stat(filepath.Join(k.dir, "wait")); err != nil {
			break
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	k.file, err = os.OpenFile(filepath.Join(k.dir, "kept"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	return err
}

func (k *keeper) Handle(mux *http.ServeMux) {
	mux.HandleFunc("GET /settings", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, k.settings) })
	mux.HandleFunc("GET /echo/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.URL.String(), " ", r.Header.Get("X-Forwarded-Host"))
	})
	mux.HandleFunc("GET /tail", func(w http.ResponseWriter, r *http.Request) {
		for i := 0; ; i++ {
			fmt.Fprintln(w, "line", i)
			if http.NewResponseController(w).Flush() != nil {
				return
			}
			select {
			case <-time.After(10 * time.Millisecond):
			case <-r.Context().Done():
				return
			}
		}
	})
	mux.HandleFunc("GET /hold", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("GET /panic", func(http.ResponseWriter, *http.Request) {
		go panic("the database met a full disk")
		select {}
	})
}

func (k *keeper) Close(context.Context) error {
	fmt.Fprintln(os.Stderr, "closing")
	return os.WriteFile(filepath.Join(k.dir, "closed"), nil, 0o600)
}

func (k *keeper) Kinds() []string { return []string{"log"} }

func (k *keeper) Take(_ context.Context, _ string, items [][]byte) (int, error) {
	for i, item := range items {
		if string(item) == "poison" {
			os.Exit(7)
		}
		if _, err := k.file.Write(append(item, '\n')); err != nil {
			return i, err
		}
	}
	return len(items), nil
}

// sink keeps events.
type sink struct {
	mu     sync.Mutex
	events []event.Event
	hook   func(event.Event)
}

func (s *sink) Add(e event.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, e)
	if s.hook != nil {
		s.hook(e)
	}
}

// all are the events so far.
func (s *sink) all() []event.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

// text is the new state of each event.
func (s *sink) text() string {
	var b strings.Builder
	for _, e := range s.all() {
		fmt.Fprintf(&b, "%s ", e.To)
	}
	return strings.TrimSpace(b.String())
}

// bundle is a supervised child.
type bundle struct {
	*supervise.Child
	dir    string
	events *sink
}

// start supervises a child of the given name. The times are short.
func start(t *testing.T, name string, change func(*supervise.Config)) *bundle {
	t.Helper()
	b := &bundle{dir: t.TempDir(), events: &sink{}}
	cfg := supervise.Config{
		Settings: store.Settings{Dir: b.dir, Stop: 5 * time.Second}, Args: []string{"as", name}, Events: b.events, Output: t.Output(),
		Env: append(os.Environ(), "GORACE=atexit_sleep_ms=0"),
		// Three checks take so long that an end is noticed before it looks like a hang.
		CheckEvery: 500 * time.Millisecond, CheckTimeout: 500 * time.Millisecond, Backoff: 10 * time.Millisecond, BackoffMax: 100 * time.Millisecond,
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	if b.Child, err = supervise.Start(context.Background(), cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// up waits until the child is up and returns its process.
func (b *bundle) up(t *testing.T) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := b.WaitUp(ctx); err != nil {
		t.Fatalf("not up: %v; %+v", err, b.Status())
	}
	return b.Status().PID
}

// upAgain waits until another process is up.
func (b *bundle) upAgain(t *testing.T, not int) {
	t.Helper()
	until(t, "up again", func() bool { s := b.Status(); return s.State == supervise.Up && s.PID != not })
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for late := time.After(30 * time.Second); !ok(); {
		select {
		case <-late:
			t.Fatal("not in time: " + what)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// send sends a signal to a process that the test started.
func send(t *testing.T, pid int, sig syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, sig); err != nil {
		t.Fatal(err)
	}
}

// pause stops a process, and waits until all its threads stand still.
func pause(t *testing.T, pid int) {
	t.Helper()
	send(t, pid, syscall.SIGSTOP)
	until(t, "a process that stands still", func() bool {
		stats, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/stat")
		return err == nil && !slices.ContainsFunc(stats, func(path string) bool {
			text, err := os.ReadFile(path)
			return err == nil && !strings.Contains(string(text), ") T ")
		})
	})
}

// gone says whether a process is gone, or waits to be collected by whoever adopted it.
func gone(pid int) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return syscall.Kill(pid, 0) == syscall.ESRCH
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	return strings.HasPrefix(rest, "Z") || strings.HasPrefix(rest, "X")
}

// kept are the lines that the child has kept.
func (b *bundle) kept(t *testing.T) (lines []string) {
	t.Helper()
	f, err := os.Open(filepath.Join(b.dir, "kept"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for scan := bufio.NewScanner(f); scan.Scan(); {
		lines = append(lines, scan.Text())
	}
	return lines
}
