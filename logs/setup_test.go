package logs_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/gabion-io/gabion/logs"
)

var errDown = errors.New("down")

// gabion stands in for the server, without a network.
type gabion struct {
	mu       sync.Mutex
	down     bool
	hang     bool // until the context ends
	status   int  // 0: 200
	answer   string
	lines    []string
	requests []*http.Request
}

// RoundTrip implements http.RoundTripper.
func (g *gabion) RoundTrip(r *http.Request) (*http.Response, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.requests = append(g.requests, r)
	if g.hang {
		g.mu.Unlock()
		<-r.Context().Done()
		g.mu.Lock()
		return nil, r.Context().Err()
	}
	if g.down {
		return nil, errDown
	}
	var from io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		unpacked, err := gzip.NewReader(from)
		if err != nil {
			return nil, err
		}
		from = unpacked
	}
	body, err := io.ReadAll(from)
	if err != nil {
		return nil, err
	}
	status := max(g.status, http.StatusOK)
	if status == http.StatusOK {
		g.lines = append(g.lines, strings.SplitAfter(string(bytes.TrimSuffix(body, []byte("\n"))), "\n")...)
	}
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Body: io.NopCloser(strings.NewReader(g.answer)), Header: http.Header{}, Request: r}, nil
}

func (g *gabion) set(change func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change()
}

// parsed are the lines.
func (g *gabion) parsed(t *testing.T) (all []map[string]any) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, line := range g.lines {
		var one map[string]any
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		all = append(all, one)
	}
	return all
}

// start makes a handler whose lines go to g.
func start(t *testing.T, g *gabion, cfg logs.Config) *logs.Handler {
	t.Helper()
	cfg.Transport = g
	if cfg.URL == "" {
		cfg.URL = "http://gabion:8081"
	}
	h, err := logs.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// stop ends a handler.
func stop(t *testing.T, h *logs.Handler) {
	t.Helper()
	if err := h.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
