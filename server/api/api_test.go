package api

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gabion-io/gabion/server/event"
	"github.com/gabion-io/gabion/server/status"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestUnknownPathsAndMethods(t *testing.T) {
	b := setup(t)
	for _, test := range []struct {
		method, path string
		code         int
		allow        string
	}{
		{"GET", "/api/v1/nothing", 404, ""},
		{"GET", "/", 404, ""},
		{"DELETE", "/api/v1/config", 405, "GET, HEAD, PUT"},
		{"GET", "/api/v1/reload", 405, "POST"},
	} {
		w := b.do(request(t, test.method, test.path, ""))
		if w.Code != test.code || w.Header().Get("Allow") != test.allow || w.Header().Get("Content-Type") != problemKind {
			t.Errorf("%s %s: %d, Allow %q, %s", test.method, test.path, w.Code, w.Header().Get("Allow"), w.Header().Get("Content-Type"))
		}
	}
}

func TestChangeOfConfiguration(t *testing.T) {
	b := setup(t)
	w := b.do(request(t, "GET", "/api/v1/config", ""))
	first := w.Header().Get("ETag")
	if w.Body.String() != "services: {}\n" || first != `"one"` {
		t.Fatalf("%s with %s", w.Body, first)
	}
	w = b.do(request(t, "PUT", "/api/v1/config", "two", "If-Match", first))
	second := w.Header().Get("ETag")
	if w.Code != 200 || second == first || second == "" {
		t.Fatalf("%d with %s", w.Code, second)
	}
	if w = b.do(request(t, "PUT", "/api/v1/config", "three", "If-Match", first)); w.Code != 412 || !strings.Contains(w.Body.String(), "two") {
		t.Errorf("with the tag of the one before: %d %s", w.Code, w.Body)
	}
	if w = b.do(request(t, "PUT", "/api/v1/config", "bad", "If-Match", second)); w.Code != 422 {
		t.Errorf("bad: %d", w.Code)
	}
	var p problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || len(p.Findings) != 2 || p.Findings[0].Suggestion != "data" {
		t.Errorf("%v: %+v", err, p)
	}
	if w = b.do(request(t, "GET", "/api/v1/config", "")); w.Body.String() != "two" {
		t.Errorf("in force is %s", w.Body)
	}
}

func TestEventsPage(t *testing.T) {
	b := setup(t)
	for range 300 {
		b.events.Add(event.Event{Kind: event.KindHealth})
	}
	for _, test := range []struct {
		query             string
		first, last, many int
	}{
		{"", 201, 300, 100},
		{"?limit=3", 298, 300, 3},
		{"?since=0&limit=3", 1, 3, 3},
		{"?since=299", 300, 300, 1},
		{"?since=300", 0, 0, 0},
		{"?since=9999&limit=2", 1, 2, 2}, // an ID of an earlier process
	} {
		w := b.do(request(t, "GET", "/api/v1/events"+test.query, ""))
		var p event.Page
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
			t.Fatal(err)
		}
		if len(p.Events) != test.many || p.Last != 300 || p.Missed != 0 {
			t.Errorf("%q: %d events, last %d, missed %d", test.query, len(p.Events), p.Last, p.Missed)
			continue
		}
		if test.many > 0 && (p.Events[0].ID != uint64(test.first) || p.Events[test.many-1].ID != uint64(test.last)) {
			t.Errorf("%q: from %d to %d", test.query, p.Events[0].ID, p.Events[test.many-1].ID)
		}
	}
}

// stream follows the events of a server; next gives the data of the next one.
func follow(t *testing.T, url string, header ...string) (next func() (event.Event, bool), cancel context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/api/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html, text/event-stream;q=0.9")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	if kind := answer.Header.Get("Content-Type"); kind != streamKind {
		t.Fatalf("%d %s", answer.StatusCode, kind)
	}
	lines := bufio.NewScanner(answer.Body)
	return func() (e event.Event, more bool) {
		for lines.Scan() {
			if data, is := strings.CutPrefix(lines.Text(), "data: "); is {
				if err := json.Unmarshal([]byte(data), &e); err != nil {
					t.Errorf("%v in %s", err, data)
				}
				return e, true
			}
		}
		return e, false
	}, cancel
}

func TestFollowEvents(t *testing.T) {
	b := setup(t)
	server := httptest.NewServer(b)
	defer server.Close()
	b.events.Add(event.Event{Kind: event.KindHealth})
	b.events.Add(event.Event{Kind: event.KindHealth})

	all, _ := follow(t, server.URL, "Last-Event-ID", "1")
	fresh, leave := follow(t, server.URL)
	if e, _ := all(); e.ID != 2 {
		t.Errorf("after 1 comes %d", e.ID)
	}
	// More than a follower's channel holds: what it loses is read from the log.
	for i := range 1000 {
		b.events.Add(event.Event{Kind: event.KindBreaker, Reason: fmt.Sprint("line\nbreak ", i)})
	}
	for id := uint64(3); id <= 1002; id++ {
		if e, _ := all(); e.ID != id || e.Reason != fmt.Sprint("line\nbreak ", id-3) {
			t.Fatalf("%d came instead of %d", e.ID, id)
		}
	}
	if e, _ := fresh(); e.ID != 3 {
		t.Errorf("who follows from now on begins with %d", e.ID)
	}
	leave()
	b.Close()
	if _, more := all(); more {
		t.Error("Close does not end the answer")
	}
	deadline := time.After(10 * time.Second)
	for len(b.followers) > 0 {
		select {
		case <-deadline:
			t.Fatalf("%d places are still taken", len(b.followers))
		case <-time.After(time.Millisecond):
		}
	}
}

// hook is an answer's writer that calls during while it writes for the first, second, … time.
type hook struct {
	during []func()
	mu     sync.Mutex
	text   strings.Builder
}

func (h *hook) Header() http.Header { return http.Header{} }
func (h *hook) WriteHeader(int)     {}
func (h *hook) Flush()              {}

func (h *hook) Write(p []byte) (int, error) {
	if len(h.during) > 0 {
		h.during[0]()
		h.during = h.during[1:]
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.Write(p)
}

func (h *hook) has(text string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Contains(h.text.String(), text)
}

// TestFollowerThatIsSlowMissesNothing: events are lost to it just after it has read the log.
func TestFollowerThatIsSlowMissesNothing(t *testing.T) {
	b := setup(t)
	add := func(n int) func() {
		return func() {
			for range n {
				b.events.Add(event.Event{Kind: event.KindHealth})
			}
		}
	}
	// What is added first fills its channel, and is read from the log at once; what is added then finds no room.
	h := &hook{during: []func(){add(2000), add(5)}}
	ctx, cancel := context.WithCancel(t.Context())
	r := request(t, "GET", "/api/v1/events?since=0", "").WithContext(ctx)
	r.Header.Set("Accept", streamKind)
	var done sync.WaitGroup
	done.Go(func() { b.ServeHTTP(h, r) })
	deadline := time.After(10 * time.Second)
	for !h.has("id: 2005\n") {
		select {
		case <-deadline:
			t.Fatal("the last events do not come")
		case <-time.After(time.Millisecond):
		}
	}
	cancel()
	done.Wait()
}

func TestServiceHasItsOwnEventsAndRoutes(t *testing.T) {
	b := setup(t)
	for i := range 50 {
		b.events.Add(event.Event{Kind: event.KindHealth, Service: []string{"catalog", "empty"}[i%2]})
	}
	var d status.Detail
	if err := json.Unmarshal(b.do(request(t, "GET", "/api/v1/services/catalog", "")).Body.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	if len(d.Events) != shownEvents || d.Events[shownEvents-1].ID != 49 || len(d.Routes) != 1 || d.Routes[0].Name != "product" {
		t.Errorf("%+v", d)
	}
}
