package app_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gabion-io/gabion/server/app"
	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/memory"
	"github.com/gabion-io/gabion/server/store"
)

// TestMain lets the binary of the test also be the store process that it starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "store" {
		if err := store.Run(context.Background(), store.Config{In: os.Stdin, Log: app.Logger(os.Stderr).With("process", "store"), Parts: memory.Parts}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// process is an App with its configuration file, in front of a backend.
type process struct {
	*app.App
	listen, admin, path, backend string
	log                          *buffer
	client                       *http.Client
}

// buffer can be read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// prepare writes the configuration and makes the App, which is not started.
func prepare(t *testing.T, handler http.HandlerFunc) *process {
	t.Helper()
	backend := httptest.NewServer(handler)
	t.Cleanup(backend.Close)
	p := &process{
		listen: freeAddress(t), admin: freeAddress(t), path: filepath.Join(t.TempDir(), "gabion.yaml"), backend: backend.URL, log: &buffer{},
		client: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{}},
	}
	t.Cleanup(p.client.CloseIdleConnections)
	p.write(t, p.text("/product/", ""))
	a, err := app.New(app.Options{Path: p.path, Version: "1.2.3", Access: io.Discard, Log: p.log})
	if err != nil {
		t.Fatal(err)
	}
	p.App = a
	return p
}

// run is a prepared process that serves, until the test ends.
func run(t *testing.T, handler http.HandlerFunc) *process {
	t.Helper()
	p := prepare(t, handler)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}

// text is a configuration with one route.
func (p *process) text(path, more string) string {
	return fmt.Sprintf("gateway: {listen: %q, admin: %q, drain: 8s}\nservices:\n  catalog: {endpoints: [%q]}\nroutes:\n  - {name: r, match: {path: %s}, service: catalog}\n%s",
		p.listen, p.admin, p.backend, path, more)
}

func (p *process) write(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(p.path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// status asks for a path of the gateway or, with an address before it, of the admin listener. 0: no answer.
func (p *process) status(t *testing.T, url string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := p.client.Do(r)
	if err != nil {
		return 0
	}
	defer func() { _ = answer.Body.Close() }() // it was read to its end
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return 0
	}
	return answer.StatusCode
}

func (p *process) serves(t *testing.T, path string) int {
	t.Helper()
	return p.status(t, "http://"+p.listen+path)
}

func (p *process) ready(t *testing.T) int {
	t.Helper()
	return p.status(t, "http://"+p.admin+"/readyz")
}

// until waits for something that must come about.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	late := time.NewTimer(15 * time.Second)
	defer late.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-late.C:
			t.Fatalf("not in time: %s", what)
		}
	}
}

// free says whether an address can be listened on.
func free(t *testing.T, address string) bool {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
	if err != nil {
		return false
	}
	return l.Close() == nil
}

func hello(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }

func TestAChangedFileComesIntoForce(t *testing.T) {
	p := run(t, hello)
	if got := p.serves(t, "/product/7"); got != 200 {
		t.Fatalf("status %d", got)
	}
	metrics := "http://" + p.admin + "/metrics"

	p.write(t, p.text("/other/", ""))
	until(t, "the new route", func() bool { return p.serves(t, "/other/7") == 200 && p.serves(t, "/product/7") == 404 })

	p.write(t, p.text("/third/", "limits: nonsense\n"))
	until(t, "the refusal", func() bool { return strings.Contains(get(t, metrics), "\ngabion_config_last_reload_success 0\n") })
	if p.serves(t, "/other/7") != 200 || p.serves(t, "/third/7") != 404 {
		t.Error("the configuration before is not in force")
	}
	if log := p.log.String(); !strings.Contains(log, "limits") || !strings.Contains(log, "stays") {
		t.Errorf("the log does not tell:\n%s", log)
	}

	p.write(t, p.text("/other/", "")) // what is in force, written again
	until(t, "all is well again", func() bool { return strings.Contains(get(t, metrics), "\ngabion_config_last_reload_success 1\n") })

	// As editors and orchestrators do it: another file takes its place.
	if err := os.WriteFile(p.path+".new", []byte(p.text("/fourth/", "")), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(p.path+".new", p.path); err != nil {
		t.Fatal(err)
	}
	until(t, "the replaced file", func() bool { return p.serves(t, "/fourth/7") == 200 })
	http.DefaultClient.CloseIdleConnections()
}

func TestAChangeBesideABusyFileIsSeen(t *testing.T) {
	p := run(t, hello)
	done, busy := make(chan struct{}), sync.WaitGroup{}
	busy.Go(func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				if err := os.WriteFile(p.path+".log", []byte(time.Now().String()), 0o600); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	defer busy.Wait()
	defer close(done)
	p.write(t, p.text("/broken/", "limits: nonsense\n"))
	until(t, "the refusal", func() bool { return strings.Contains(p.log.String(), "stays") })
	p.write(t, p.text("/other/", ""))
	until(t, "the new route", func() bool { return p.serves(t, "/other/7") == 200 })
}

func TestAChangeBeforeStartIsSeen(t *testing.T) {
	p := prepare(t, hello)
	p.write(t, p.text("/other/", ""))
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	until(t, "the new route", func() bool { return p.serves(t, "/other/7") == 200 })
}

func TestWhatIsInFlightSurvivesADrain(t *testing.T) {
	arrived, answer := make(chan struct{}), make(chan struct{})
	p := run(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/product/slow" {
			arrived <- struct{}{}
			<-answer
		}
		hello(w, r)
	})
	if got := p.ready(t); got != 200 {
		t.Fatalf("readyz before: %d", got)
	}
	slow := make(chan int, 1)
	go func() { slow <- p.serves(t, "/product/slow") }()
	<-arrived
	drained := make(chan error, 1)
	go func() { drained <- p.Drain(t.Context()) }()
	until(t, "readyz fails", func() bool { return p.ready(t) == 503 })
	if p.serves(t, "/product/7") != 200 {
		t.Error("refused as soon as it was told to stop, before anybody could see it")
	}
	if err := p.Reload(); err == nil {
		t.Error("a configuration came into force on the way out")
	}
	until(t, "nobody listens", func() bool { return free(t, p.listen) })
	select {
	case err := <-drained:
		t.Errorf("the drain ended before what is in flight: %v", err)
	default:
	}
	if got := p.ready(t); got != 503 {
		t.Errorf("readyz while draining: %d", got)
	}
	close(answer)
	if got := <-slow; got != 200 {
		t.Errorf("what was in flight got %d", got)
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
}

// TestADrainIsBounded is the same with a context that ends: what hangs is cut.
func TestADrainIsBounded(t *testing.T) {
	arrived, answer := make(chan struct{}), make(chan struct{})
	p := run(t, func(http.ResponseWriter, *http.Request) { arrived <- struct{}{}; <-answer })
	defer close(answer)
	slow := make(chan int, 1)
	go func() { slow <- p.serves(t, "/product/slow") }()
	<-arrived
	ctx, cut := context.WithCancel(t.Context())
	drained := make(chan error, 1)
	go func() { drained <- p.Drain(ctx) }()
	until(t, "readyz fails", func() bool { return p.ready(t) == 503 })
	cut()
	if err := <-drained; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if got := <-slow; got == 200 {
		t.Errorf("what was cut got %d", got)
	}
}

func TestStartThatFailsTakesEverythingDown(t *testing.T) {
	first := run(t, hello)
	for name, taken := range map[string]func(p *process){
		"gateway.listen": func(p *process) { p.listen = first.listen },
		"gateway.admin":  func(p *process) { p.admin = first.admin },
	} {
		p := prepare(t, hello)
		mine := []string{p.listen, p.admin}
		p.Stop() // it was made for other addresses
		taken(p)
		p.write(t, p.text("/product/", ""))
		a, err := app.New(app.Options{Path: p.path, Access: io.Discard, Log: io.Discard})
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Start(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v", name, err)
		}
		for _, address := range mine {
			if !free(t, address) {
				t.Errorf("%s: %s is still listened on", name, address)
			}
		}
	}
	if got := first.serves(t, "/product/7"); got != 200 {
		t.Errorf("the first process: %d", got)
	}
}

func TestAListenerThatCannotBeOpenedKeepsTheConfiguration(t *testing.T) {
	p, other := run(t, hello), run(t, hello)
	mine := p.listen
	p.listen = other.listen
	p.write(t, p.text("/other/", ""))
	p.listen = mine
	if err := p.Reload(); err == nil {
		t.Error("it came into force")
	}
	if p.serves(t, "/product/7") != 200 || p.Config().Gateway.Listen[0].Address != mine {
		t.Error("the configuration before is not in force")
	}
	admin := p.admin
	p.admin = freeAddress(t)
	p.write(t, p.text("/other/", ""))
	p.admin = admin
	if err := p.Reload(); err == nil || !strings.Contains(err.Error(), "restart") {
		t.Errorf("another admin address: %v", err)
	}
}

func TestReloadsAndTheEndAtTheSameTime(t *testing.T) {
	p := prepare(t, hello)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	began, all := make(chan struct{}, 4), sync.WaitGroup{}
	for range 4 {
		all.Go(func() {
			for i := 0; ; i++ {
				err := p.Reload()
				if i == 0 {
					began <- struct{}{}
				}
				if err != nil {
					return // it has stopped
				}
			}
		})
	}
	for range 4 {
		<-began
	}
	p.Stop()
	all.Wait()
	if !free(t, p.listen) || !free(t, p.admin) {
		t.Error("somebody listens after the end")
	}
}

func TestNew(t *testing.T) {
	dir := t.TempDir()
	if _, err := app.New(app.Options{Path: filepath.Join(dir, "none.yaml"), Access: io.Discard, Log: io.Discard}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	path := filepath.Join(dir, "gabion.yaml")
	if err := os.WriteFile(path, []byte("gatewya: {}\nroutes: 7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := app.New(app.Options{Path: path, Access: io.Discard, Log: io.Discard})
	if problems, ok := errors.AsType[config.Problems](err); !ok || len(problems) != 2 {
		t.Errorf("two problems: %v", err)
	}
}
