package loki

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/gabion-io/gabion/server/logs/entry"
	"github.com/gabion-io/gabion/server/logs/logql"
)

func come(message string, level entry.Level) *entry.Entry {
	return &entry.Entry{Time: noon.UnixNano() + 1, Level: level, Service: "shop", Message: message}
}

func TestTail(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	source := shop()
	served := make(chan struct{})
	h := New(Config{Source: source, Now: fixed})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(served)
		h.ServeHTTP(w, r)
	}))
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	address := "ws" + strings.TrimPrefix(server.URL, "http") + `/loki/api/v1/tail?limit=1&query={service="shop"}|="o"`
	conn, response, err := websocket.Dial(ctx, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if response.Body != nil {
		defer response.Body.Close()
	}
	read := func() string {
		t.Helper()
		_, text, err := conn.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if got := read(); !strings.Contains(got, "stock") || strings.Contains(got, "took=10ms") {
		t.Error("the history is", got)
	}
	source.Publish(come("nothing here", entry.Debug))
	source.Publish(come("two", entry.Info))
	if got, want := read(), `{"streams":[{"stream":{"level":"debug","service":"shop"},"values":[["1795262400000000001","nothing here"]]}`; !strings.HasPrefix(got, want) {
		t.Error(got)
	}
	if err := conn.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Log("closed with", err) // the server may be quicker
	}
	select {
	case <-served:
	case <-ctx.Done():
		t.Error("the tail goes on after its client went")
	}
	http.DefaultClient.CloseIdleConnections()
}

// TestTailOverlap: a line that comes in while the history is read is told once.
func TestTailOverlap(t *testing.T) {
	source := shop()
	twice := source.entries[1]
	h := New(Config{Source: source, Now: fixed})
	r := &request{httptest.NewRequest(http.MethodGet, `/loki/api/v1/tail?query={service="shop"}`, http.NoBody), noon}
	tail, err := h.startTail(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if len(tail.history) != 2 || tail.history[0].Time > tail.history[1].Time {
		t.Fatal("the history is", tail.history)
	}
	source.Publish(twice)
	source.Publish(twice)
	source.Publish(come("new", entry.Info))
	lines := tail.fresh(tail.tail.Next(t.Context(), 10))
	if len(lines) != 2 || lines[1].Text != "new" {
		t.Error("after the history come", lines)
	}
	if got := tail.fresh([]logql.Line{tail.history[0]}); len(got) != 0 {
		t.Error("told twice:", got)
	}
}

// TestTailDropped: a client that is too slow is told how much it missed.
func TestTailDropped(t *testing.T) {
	source := shop()
	h := New(Config{Source: source, Now: fixed})
	r := &request{httptest.NewRequest(http.MethodGet, "/loki/api/v1/tail?query={}", http.NoBody), noon}
	tail, err := h.startTail(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	const some = 5000
	for range some {
		source.Publish(come("flood", entry.Info))
	}
	told := len(tail.tail.Next(t.Context(), some))
	text, err := json.Marshal(tail.message(nil))
	if err != nil || told >= some {
		t.Fatal(told, err)
	}
	if got, want := string(text), `{"streams":[],"dropped_entries":[{"labels":{"dropped":"904"},"timestamp":"1795262400000000000"}]}`; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if m := tail.message(nil); m.Dropped != nil {
		t.Error("told twice:", m.Dropped)
	}
}

func TestTailRefused(t *testing.T) {
	source := shop()
	h := New(Config{Source: source, Now: fixed})
	ask := func(h http.Handler, query string) (int, string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/loki/api/v1/tail?"+query, http.NoBody))
		return w.Code, w.Body.String()
	}
	for query, want := range map[string]string{
		"query=vector(1)":         "expected one that selects lines",
		"query={}&start=x":        "parameter start",
		"query={}&limit=x":        "parameter limit",
		"query={}&limit=1000000":  "the limit of 1000000 lines",
		"query={}%7Cunwrap%20abc": "unwrap makes numbers",
	} {
		if status, got := ask(h, query); status != http.StatusBadRequest || !strings.Contains(got, want) {
			t.Errorf("%s: %d %s", query, status, got)
		}
	}
	source = shop() // those who were refused may still be about to leave the other one
	h = New(Config{Source: source, Now: fixed})
	for range logql.MaxFollowers {
		if _, err := source.Subscribe(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if status, got := ask(h, "query={}"); status != http.StatusTooManyRequests {
		t.Errorf("%d %s", status, got)
	}
	if status, got := ask(New(Config{Source: struct{ logql.Source }{source}}), "query={}"); status != http.StatusNotImplemented {
		t.Errorf("%d %s", status, got)
	}
}
