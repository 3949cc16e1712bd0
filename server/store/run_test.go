package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion/server/store"
)

func TestLife(t *testing.T) {
	log := new(journal)
	one, two := &part{name: "one", log: log, opening: make(chan struct{})}, &part{name: "two", log: log}
	b := start(t, log, func(s *store.Settings) { s.Memory = 1 << 40 }, one, two)
	until(t, "livez", func() bool { code, _ := b.get("/livez"); return code == http.StatusOK })
	until(t, "opening", func() bool { return log.text() == "open-one" })
	if code, body := b.get("/readyz"); code != http.StatusServiceUnavailable || body != "opening the one\n" {
		t.Errorf("readyz while it opens: %d %s", code, body)
	}
	if code, body := b.get("/two"); code != http.StatusServiceUnavailable || !strings.Contains(body, `"type":"urn:gabion:problem:store-not-ready"`) {
		t.Errorf("a part while it opens: %d %s", code, body)
	}
	if s := b.send(t, "s", 0, "one=x"); s.status != http.StatusServiceUnavailable || s.next != "" {
		t.Errorf("items while it opens: %+v", s)
	}
	close(one.opening)
	b.ready(t)
	if code, body := b.get("/two"); code != http.StatusOK || body != "from two" {
		t.Errorf("%d %s", code, body)
	}
	if code, _ := b.get("/none"); code != http.StatusNotFound {
		t.Errorf("%d", code)
	}
	var status store.Status
	_, body := b.get(store.StatusPath)
	if err := json.Unmarshal([]byte(body), &status); err != nil || status != (store.Status{Instance: "it", Ready: true, Doing: "serving", Disk: "ok"}) {
		t.Errorf("%+v, %v", status, err)
	}
	if limit := debug.SetMemoryLimit(-1); limit != 1<<40 {
		t.Errorf("memory limit %d", limit)
	}
	checkModes(t, b.dir)
	if err := b.end(t); err != nil {
		t.Error(err)
	}
	if got := log.text(); got != "open-one open-two close-two close-one" {
		t.Error(got)
	}
	if _, err := os.Stat(filepath.Join(b.dir, "store.sock")); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func checkModes(t *testing.T, dir string) {
	t.Helper()
	for name, want := range map[string]os.FileMode{".": os.ModeDir | 0o700, "store.sock": os.ModeSocket | 0o600, "store.lock": 0o600} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, want %v", name, info.Mode(), want)
		}
	}
}

func TestRequestsEndBeforePartsClose(t *testing.T) {
	log := new(journal)
	b := start(t, log, nil, &part{name: "one", log: log})
	b.ready(t)
	answer, err := b.client.Get("http://store/one/wait")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if err := b.end(t); err != nil {
		t.Error(err)
	}
	if got := log.text(); got != "open-one request-ended close-one" {
		t.Error(got)
	}
}

func TestItLivesWhileItCloses(t *testing.T) {
	log := new(journal)
	closing, closed := make(chan struct{}), make(chan struct{})
	b := start(t, log, nil, &part{name: "one", log: log, close: func(context.Context) error { close(closing); <-closed; return nil }})
	b.ready(t)
	b.parent.Close()
	<-closing
	if code, _ := b.get("/livez"); code != http.StatusOK {
		t.Errorf("livez: %d", code)
	}
	if code, body := b.get("/readyz"); code != http.StatusServiceUnavailable || body != "closing\n" {
		t.Errorf("readyz: %d %s", code, body)
	}
	if code, _ := b.get("/one"); code != http.StatusServiceUnavailable {
		t.Errorf("a part: %d", code)
	}
	close(closed)
	if err := b.end(t); err != nil {
		t.Error(err)
	}
}

func TestAPartThatDoesNotOpen(t *testing.T) {
	log := new(journal)
	b := start(t, log, nil, &part{name: "one", log: log}, &part{name: "two", log: log, openError: errBroken}, &part{name: "three", log: log})
	if err := <-b.ended; !errors.Is(err, errBroken) || err.Error() != "opening the two: broken" {
		t.Error(err)
	}
	if got := log.text(); got != "open-one open-two close-one" {
		t.Error(got)
	}
}

func TestToldToEndWhileItOpens(t *testing.T) {
	log := new(journal)
	b := start(t, log, nil, &part{name: "one", log: log, opening: make(chan struct{})})
	until(t, "opening", func() bool { return log.text() == "open-one" })
	if err := b.end(t); err != nil {
		t.Error(err)
	}
}

func TestAPartThatFailsToClose(t *testing.T) {
	log := new(journal)
	b := start(t, log, nil, &part{name: "one", log: log}, &part{name: "two", log: log, close: func(context.Context) error { return errBroken }})
	b.ready(t)
	if err := b.end(t); !errors.Is(err, errBroken) || err.Error() != "closing the two: broken" {
		t.Error(err)
	}
	if got := log.text(); got != "open-one open-two close-two close-one" {
		t.Error(got)
	}
}

func TestAPartThatDoesNotClose(t *testing.T) {
	log := new(journal)
	never := make(chan struct{})
	b := start(t, log, func(s *store.Settings) { s.Stop = 100 * time.Millisecond },
		&part{name: "one", log: log, close: func(context.Context) error { <-never; return nil }})
	b.ready(t)
	if err := b.end(t); err == nil || err.Error() != "it did not close within 100ms" {
		t.Error(err)
	}
	close(never)
}

func TestTwoPartsOfOneKind(t *testing.T) {
	log := new(journal)
	b := start(t, log, nil, taker{&part{name: "one", log: log}}, taker{&part{name: "one", log: log}})
	if err := <-b.ended; err == nil || err.Error() != `two parts take items of kind "one", one is one` {
		t.Error(err)
	}
}

func TestTheDirectoryIsLocked(t *testing.T) {
	log := new(journal)
	b := start(t, log, nil)
	b.ready(t)
	second := start(t, log, func(s *store.Settings) { s.Dir, s.Stop = b.dir, 200*time.Millisecond })
	if err := <-second.ended; err == nil || !strings.Contains(err.Error(), "process ") || !strings.Contains(err.Error(), "uses it") {
		t.Error(err)
	}
	b.ready(t) // the first one keeps its socket
	third := start(t, log, func(s *store.Settings) { s.Dir, s.Instance = b.dir, "third" })
	if err := b.end(t); err != nil {
		t.Error(err)
	}
	until(t, "the third", func() bool { _, body := b.get(store.StatusPath); return strings.Contains(body, `"third","ready":true`) })
	if err := third.end(t); err != nil {
		t.Error(err)
	}
}

func TestWhatIsInTheWayOfTheSocket(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "store.sock"), []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := start(t, new(journal), func(s *store.Settings) { s.Dir = dir })
	if err := <-b.ended; err == nil || !strings.Contains(err.Error(), "is in the way") {
		t.Error(err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "store.sock")); err != nil || string(text) != "precious" {
		t.Errorf("%q %v", text, err)
	}
}

func TestSettings(t *testing.T) {
	for in, want := range map[string]string{
		"":                         "no settings on standard input",
		`{"dir":"/x"`:              "no settings on standard input",
		`{"dir":"relative"}`:       `dir "relative" is not an absolute path`,
		`{"dir":""}`:               `dir "" is not an absolute path`,
		`{"dir":1}`:                "cannot unmarshal number",
		strings.Repeat(" ", 5<<20): "no settings on standard input",
	} {
		err := store.Run(t.Context(), store.Config{In: strings.NewReader(in)})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v, want %s", in, err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	in, parent := io.Pipe()
	defer parent.Close()
	if err := store.Run(ctx, store.Config{In: in}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestSocketPath(t *testing.T) {
	if path, err := store.SocketPath("/data"); err != nil || path != "/data/store.sock" {
		t.Errorf("%s %v", path, err)
	}
	if _, err := store.SocketPath("/" + strings.Repeat("d", 120)); err == nil || !strings.Contains(err.Error(), "choose a shorter path") {
		t.Error(err)
	}
}
