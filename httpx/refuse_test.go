package httpx_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/breaker"
	"github.com/gabion-io/gabion/bulkhead"
	"github.com/gabion-io/gabion/httpx"
	"github.com/gabion-io/gabion/ratelimit"
)

func TestRefusalsAreProblems(t *testing.T) {
	later := func(reason error, policy string, d time.Duration) error {
		return &gabion.Error{Policy: policy, Reason: reason, Until: gabion.Now() + d, Cause: errors.New("a secret address")}
	}
	for name, test := range map[string]struct {
		err         error
		status      int
		kind, after string
	}{
		"a rate limit":             {later(ratelimit.ErrLimited, "ratelimit", 90*time.Second), 429, "rate-limited", "90"},
		"a rate limit, rounded up": {later(ratelimit.ErrLimited, "ratelimit", 1100*time.Millisecond), 429, "rate-limited", "2"},
		"a limit within":           {fmt.Errorf("mine: %w", ratelimit.ErrLimited), 429, "rate-limited", "1"},
		"a breaker":                {later(breaker.ErrOpen, "breaker", 5*time.Second), 503, "circuit-open", "5"},
		"a bulkhead":               {&gabion.Error{Policy: "bulkhead", Reason: bulkhead.ErrFull}, 503, "bulkhead-full", "1"},
		"any guard":                {gabion.Rejection("no"), 503, "overloaded", "1"},
		"no time left":             {context.DeadlineExceeded, 504, "deadline-exceeded", ""},
		"the client has gone":      {context.Canceled, 503, "overloaded", "1"},
		"a guard that is broken":   {errors.New("broken"), 500, "internal-error", ""},
	} {
		called := false
		h := guarded(t, func(http.ResponseWriter, *http.Request) { called = true }, &gate{refusal: test.err})
		w := httptest.NewRecorder()
		h(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader("body")))
		var p struct {
			Type, Title string
			Status      int
			After       int64 `json:"retry_after_ms"`
		}
		err := json.Unmarshal(w.Body.Bytes(), &p)
		if called || err != nil || w.Code != test.status || p.Status != test.status || p.Type != "urn:gabion:problem:"+test.kind || p.Title == "" {
			t.Errorf("%s: %d %s, %v", name, w.Code, w.Body, err)
		}
		header := w.Header()
		if header.Get("Content-Type") != "application/problem+json" || header.Get("Retry-After") != test.after {
			t.Errorf("%s: %v", name, header)
		}
		if seconds, err := strconv.ParseInt(test.after, 10, 64); err == nil && (p.After > seconds*1000 || p.After <= (seconds-1)*1000) {
			t.Errorf("%s: after %d ms", name, p.After)
		}
		if strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%s: tells of the inside: %s", name, w.Body)
		}
	}
}

func TestWhoseTimeIsOverIsNotServed(t *testing.T) {
	for name, pipe := range map[string]*gabion.Pipe{"no pipe": nil, "a pipe": pipeOf(t, gabion.Config{}, &gate{})} {
		h := handler(t, httpx.HandlerConfig{Pipe: pipe}, func(http.ResponseWriter, *http.Request) { t.Errorf("%s: served", name) })
		req := request(t, http.MethodGet, serve(t, h).URL, nil)
		req.Header.Set(httpx.HeaderTimeout, "0")
		if a := do(plain(t), req); a.status != http.StatusGatewayTimeout {
			t.Errorf("%s: got %+v", name, a)
		}
	}
}

func TestALimitForEachTenant(t *testing.T) {
	limit, err := ratelimit.NewRequests(ratelimit.RequestsConfig{Rate: ratelimit.Rate{Count: 1, Per: time.Hour}, Key: gabion.TenantOf})
	if err != nil {
		t.Fatal(err)
	}
	h := handler(t, httpx.HandlerConfig{
		Pipe:   pipeOf(t, gabion.Config{}, limit),
		Tenant: func(r *http.Request) string { return r.Header.Get("Api-Key") },
	}, says(200, "well"))
	s := serve(t, h)
	for i, test := range []struct {
		key    string
		status int
	}{{"alice", 200}, {"alice", 429}, {"bob", 200}} {
		req := request(t, http.MethodGet, s.URL, nil)
		req.Header.Set("Api-Key", test.key)
		a := do(plain(t), req)
		if after, _ := strconv.Atoi(a.header.Get("Retry-After")); a.status != test.status || test.status == 429 && (after < 3500 || after > 3600) {
			t.Errorf("%d: got %+v", i, a)
		}
	}
}

func TestGuardsForEachKey(t *testing.T) {
	pipe := pipeOf(t, gabion.Config{PerKey: func(key string) ([]gabion.Policy, error) {
		if key == "/broken" {
			return nil, errors.New("no such route")
		}
		return []gabion.Policy{&gate{refusal: map[string]error{"/full": bulkhead.ErrFull}[key]}}, nil
	}})
	h := handler(t, httpx.HandlerConfig{Pipe: pipe, Key: func(r *http.Request) string { return r.URL.Path }}, says(200, ""))
	for path, want := range map[string]int{"/full": 503, "/free": 200, "/broken": 500} {
		w := httptest.NewRecorder()
		if h(w, httptest.NewRequest(http.MethodGet, path, nil)); w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}
}

func TestARefusalDoesNotAskForTheBody(t *testing.T) {
	for name, test := range map[string]struct {
		refusal error
		asked   bool
	}{"refused": {bulkhead.ErrFull, false}, "admitted, the negative twin": {nil, true}} {
		s := serve(t, guarded(t, echo, &gate{refusal: test.refusal}))
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(patience))
		io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
		line, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil || strings.Contains(line, " 100 ") != test.asked {
			t.Errorf("%s: answered %q, %v", name, line, err)
		}
	}
}
