package httpx_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/breaker"
	"github.com/gabion-io/gabion/hedge"
	"github.com/gabion-io/gabion/httpx"
	"github.com/gabion-io/gabion/timeout"
)

// naive sends requests through a pipe as one would at first.
type naive struct{ pipe *gabion.Pipe }

func (n naive) RoundTrip(req *http.Request) (*http.Response, error) {
	return gabion.DoHedged(req.Context(), n.pipe, func(ctx context.Context) (*http.Response, error) {
		resp, err := http.DefaultTransport.RoundTrip(req.WithContext(ctx))
		if err == nil && resp.StatusCode >= http.StatusInternalServerError {
			return nil, errors.New(resp.Status)
		}
		return resp, err
	})
}

// clients are one with a Transport, and its naive twin.
func clients(t *testing.T, policies ...gabion.Policy) map[bool]*http.Client {
	t.Helper()
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	return map[bool]*http.Client{
		true:  clientOf(t, httpx.TransportConfig{}, policies...),
		false: {Transport: naive{pipeOf(t, gabion.Config{}, policies...)}},
	}
}

func limits(t testing.TB, cfg timeout.Config) *timeout.Timeout {
	t.Helper()
	l, err := timeout.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestTrap27DiscardedAnswersAreReadAndTheirConnectionIsUsedAgain(t *testing.T) {
	long := strings.Repeat("no ", 10_000)
	for good, c := range clients(t, retries(t)) {
		noLeak(t)
		var connections atomic.Int32
		h := scripted(chunked(http.StatusServiceUnavailable, long), chunked(http.StatusServiceUnavailable, long), says(http.StatusOK, "yes"))
		s := serve(t, h.ServeHTTP, counting(&connections))
		a := get(t, c, s.URL)
		if a.status != http.StatusOK || (connections.Load() == 1) != good {
			t.Errorf("Transport %v: got %+v over %d connections", good, a, connections.Load())
		}
		c.CloseIdleConnections()
		http.DefaultClient.CloseIdleConnections()
	}
}

func TestTrap27WhatDoesNotEndIsNotReadToTheEnd(t *testing.T) {
	noLeak(t)
	endless := func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		for block := make([]byte, 4096); ; {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}
	silent := func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	h := scripted(endless, silent, says(http.StatusOK, "yes"))
	s := serve(t, h.ServeHTTP)
	start := time.Now()
	if a := get(t, clientOf(t, httpx.TransportConfig{}, retries(t)), s.URL); a.body != "yes" || time.Since(start) > patience {
		t.Errorf("got %+v after %v", a, time.Since(start))
	}
}

func TestTrap27TheBodyIsReadAfterTheTry(t *testing.T) {
	for good, c := range clients(t, limits(t, timeout.Config{Attempt: patience / 2})) {
		rest := make(chan struct{})
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "begin ")
			http.NewResponseController(w).Flush()
			select {
			case <-rest:
				io.WriteString(w, "end")
			case <-r.Context().Done():
			}
		})
		resp, err := c.Do(request(t, http.MethodGet, s.URL, nil).WithContext(within(t, patience)))
		if err != nil {
			t.Fatal(err)
		}
		if good {
			close(rest)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if good && (string(b) != "begin end" || err != nil) || !good && !errors.Is(err, context.Canceled) {
			t.Errorf("Transport %v: got %q, %v", good, b, err)
		}
	}
}

func TestTrap27BodiesAreSentAgainWhole(t *testing.T) {
	for good, c := range clients(t, retries(t)) {
		h := scripted(
			func(w http.ResponseWriter, r *http.Request) {
				io.CopyN(io.Discard, r.Body, 5)
				w.WriteHeader(http.StatusServiceUnavailable)
			},
			echo,
		)
		req := request(t, http.MethodPut, serve(t, h.ServeHTTP).URL, io.MultiReader(strings.NewReader("the whole body")))
		req.Header.Set("Idempotency-Key", "1")
		if a := do(c, req); (a.body == "the whole body" && a.err == nil) != good {
			t.Errorf("Transport %v: got %+v", good, a)
		}
	}
}

func TestTrap27TheLoserOfAHedgeEnds(t *testing.T) {
	noLeak(t)
	gone := make(chan struct{})
	h := scripted(func(w http.ResponseWriter, r *http.Request) {
		hangs(w, r)
		close(gone)
	}, says(http.StatusOK, "second"))
	s := serve(t, h.ServeHTTP)
	if a := get(t, clientOf(t, httpx.TransportConfig{}, hedges(t)), s.URL); a.body != "second" {
		t.Errorf("got %+v", a)
	}
	select {
	case <-gone:
	case <-time.After(patience):
		t.Error("the server still works for the loser")
	}
}

// deaf answers late to the first request, whatever its context says.
type deaf struct {
	calls   atomic.Int32
	release chan struct{}
	loser   *watchedBody
}

func (d *deaf) RoundTrip(req *http.Request) (*http.Response, error) {
	resp := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, ContentLength: -1, Request: req}
	if d.calls.Add(1) == 1 {
		<-d.release
		d.loser = &watchedBody{ReadCloser: io.NopCloser(strings.NewReader("first"))}
		resp.Body = d.loser
		return resp, nil
	}
	resp.Body = io.NopCloser(strings.NewReader("second"))
	return resp, nil
}

func TestTrap27TheAnswerOfALateLoserIsClosed(t *testing.T) {
	for _, good := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			base := &deaf{release: make(chan struct{})}
			c := clientOf(t, httpx.TransportConfig{Base: base}, hedges(t))
			if !good {
				pipe := pipeOf(t, gabion.Config{}, hedges(t))
				c = &http.Client{Transport: tripper(func(req *http.Request) (*http.Response, error) {
					return gabion.DoHedged(req.Context(), pipe, func(ctx context.Context) (*http.Response, error) {
						return base.RoundTrip(req.WithContext(ctx))
					})
				})}
			}
			a := get(t, c, "http://service.test/")
			close(base.release)
			synctest.Wait()
			if a.body != "second" || base.loser.closed.Load() != good {
				t.Errorf("Transport %v: got %+v, the loser was closed: %v", good, a, base.loser.closed.Load())
			}
		})
	}
}

func TestTrap30LimitsAreNoOutage(t *testing.T) {
	s := serve(t, says(http.StatusTooManyRequests, "slower", "Retry-After: 3600"))
	for name, test := range map[string]struct {
		cfg  httpx.TransportConfig
		want breaker.State
	}{
		"limits":              {httpx.TransportConfig{}, breaker.Closed},
		"limits, tried again": {httpx.TransportConfig{RetryStatus: []int{http.StatusTooManyRequests}}, breaker.Closed},
		"the naive twin": {
			httpx.TransportConfig{Failed: func(r *http.Response) bool { return r.StatusCode >= http.StatusBadRequest }},
			breaker.Open,
		},
	} {
		b := fuse(t, breaker.Config{Consecutive: 3})
		c := clientOf(t, test.cfg, b, retries(t))
		for range 10 {
			a := get(t, c, s.URL)
			if test.want == breaker.Closed && (a.status != http.StatusTooManyRequests || a.body != "slower" || a.err != nil) {
				t.Fatalf("%s: got %+v", name, a)
			}
		}
		if b.State() != test.want {
			t.Errorf("%s: the breaker is %v, want %v", name, b.State(), test.want)
		}
	}
}

func TestTrap31OneBadHostDoesNotStopTheOthers(t *testing.T) {
	bad := serve(t, says(http.StatusInternalServerError, "broken"))
	good := serve(t, says(http.StatusOK, "well"))
	perHost := pipeOf(t, gabion.Config{Classify: httpx.Classify, PerKey: func(string) ([]gabion.Policy, error) {
		return []gabion.Policy{fuse(t, breaker.Config{Consecutive: 3})}, nil
	}})
	shared := pipeOf(t, gabion.Config{Classify: httpx.Classify}, fuse(t, breaker.Config{Consecutive: 3}))
	for name, test := range map[string]struct {
		cfg  httpx.TransportConfig
		well bool
	}{
		"by default":     {httpx.TransportConfig{}, true},
		"by key":         {httpx.TransportConfig{Pipe: perHost, Key: httpx.HostOf}, true},
		"the naive twin": {httpx.TransportConfig{Pipe: shared}, false},
	} {
		c := client(t, test.cfg)
		var last answer
		for range 40 {
			last = get(t, c, bad.URL)
		}
		if !errors.Is(last.err, breaker.ErrOpen) || !errors.Is(last.err, gabion.ErrRejected) {
			t.Errorf("%s: the bad host: %+v", name, last)
		}
		if a := get(t, c, good.URL); (a.body == "well" && a.err == nil) != test.well {
			t.Errorf("%s: the good host: %+v", name, a)
		}
	}
}

func TestTrap32WhatMustNotBeDoneTwiceIsNotSentTwice(t *testing.T) {
	always := func(*http.Request) bool { return true }
	for name, first := range map[string]http.HandlerFunc{
		"503":   says(http.StatusServiceUnavailable, "no"),
		"broke": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"reset": reset,
		"hangs": hangs,
	} {
		for _, test := range []struct {
			method, key string
			repeatable  func(*http.Request) bool
			calls       int32
		}{
			{http.MethodPost, "", nil, 1},
			{http.MethodPatch, "", nil, 1},
			{http.MethodPut, "", nil, 1},
			{http.MethodDelete, "", nil, 1},
			{http.MethodPost, "an-order", nil, 2},
			{http.MethodGet, "", nil, 2},
			{http.MethodPost, "", always, 2}, // the negative twin
		} {
			noLeak(t)
			h := scripted(first, says(http.StatusOK, "done"))
			s := serve(t, h.ServeHTTP)
			c := clientOf(t, httpx.TransportConfig{Repeatable: test.repeatable}, retries(t), limits(t, timeout.Config{Attempt: 200 * time.Millisecond}))
			req := request(t, test.method, s.URL, strings.NewReader("once"))
			if test.key != "" {
				req.Header.Set("Idempotency-Key", test.key)
			}
			a := do(c, req)
			if h.calls.Load() != test.calls || (a.body == "done") != (test.calls == 2) {
				t.Errorf("%s, %s %q: got %+v after %d calls, want %d", name, test.method, test.key, a, h.calls.Load(), test.calls)
			}
			c.CloseIdleConnections()
			s.CloseClientConnections()
		}
	}
}

// reset makes the connection end in the way that programs that crash do.
func reset(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	conn.(*net.TCPConn).SetLinger(0)
	conn.Close()
}

func TestTrap32WhatWasCertainlyNotSentIsSentAgain(t *testing.T) {
	noLeak(t)
	h := scripted(says(http.StatusOK, "done"))
	s := serve(t, h.ServeHTTP)
	for name, fail := range map[string]func(context.Context) error{
		"refused": func(context.Context) error { return &net.OpError{Op: "dial", Err: errors.New("refused")} },
		// net/http does not say when it is a time out that a connection was not there.
		"hangs": func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		"broke": func(context.Context) error { return errors.New("no connection") },
	} {
		h.calls.Store(0)
		var dials atomic.Int32
		over, stop := context.WithCancel(t.Context())
		template := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if dials.Add(1) == 1 {
				return nil, fail(over)
			}
			return new(net.Dialer).DialContext(ctx, network, address)
		}}
		c := clientOf(t, httpx.TransportConfig{Base: httpx.NewConnections(template)}, retries(t), limits(t, timeout.Config{Attempt: 300 * time.Millisecond}))
		a := do(c, request(t, http.MethodPost, s.URL, strings.NewReader("once")))
		stop()
		if a.body != "done" || h.calls.Load() != 1 || dials.Load() != 2 {
			t.Errorf("%s: got %+v after %d calls and %d dials", name, a, h.calls.Load(), dials.Load())
		}
	}
}

func TestTrap32AHedgeDoesNotSendTwice(t *testing.T) {
	for _, test := range []struct {
		method string
		calls  int32
	}{{http.MethodPost, 1}, {http.MethodGet, 2}} {
		synctest.Test(t, func(t *testing.T) {
			base := &deaf{release: make(chan struct{})}
			c := clientOf(t, httpx.TransportConfig{Base: base}, hedges(t))
			time.AfterFunc(time.Minute, func() { close(base.release) })
			a := do(c, request(t, test.method, "http://service.test/", nil))
			want := map[int32]string{1: "first", 2: "second"}[test.calls]
			time.Sleep(time.Hour)
			if base.calls.Load() != test.calls || a.body != want {
				t.Errorf("%s: got %+v after %d calls", test.method, a, base.calls.Load())
			}
		})
	}
}

// tripper makes an http.RoundTripper of a function.
type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func hedges(t testing.TB) *hedge.Hedge {
	t.Helper()
	h, err := hedge.New(hedge.Config{After: hedge.After{Time: 20 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// chunked answers without saying how long the body is.
func chunked(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		http.NewResponseController(w).Flush()
		fmt.Fprint(w, body)
	}
}

// counting counts the connections that a server gets.
func counting(n *atomic.Int32) func(*httptest.Server) {
	return func(s *httptest.Server) {
		s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				n.Add(1)
			}
		}
	}
}
