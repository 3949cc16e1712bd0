package httpx_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/breaker"
	"github.com/gabion-io/gabion/fallback"
	"github.com/gabion-io/gabion/httpx"
	"github.com/gabion-io/gabion/timeout"
)

func TestATransportNeedsNoConfiguration(t *testing.T) {
	noLeak(t)
	s := serve(t, says(http.StatusOK, "hello"))
	if a := get(t, client(t, httpx.TransportConfig{}), s.URL); a.status != http.StatusOK || a.body != "hello" || a.err != nil {
		t.Errorf("got %+v", a)
	}
}

func TestTheLastFailureIsReturnedAsAnAnswer(t *testing.T) {
	noLeak(t)
	for name, steps := range map[string][3]http.HandlerFunc{
		"short":           {says(503, "first"), says(503, "second"), says(502, "third")},
		"of some length":  {chunked(503, "first"), chunked(503, "second"), chunked(502, "third")},
		"after no answer": {breaksOff, breaksOff, says(502, "third")},
	} {
		h := scripted(steps[:]...)
		a := get(t, clientOf(t, httpx.TransportConfig{}, retries(t)), serve(t, h.ServeHTTP).URL)
		if a.status != http.StatusBadGateway || a.body != "third" || a.err != nil || h.calls.Load() != 3 {
			t.Errorf("%s: got %+v after %d calls", name, a, h.calls.Load())
		}
		if a.header.Get(httpx.HeaderGaveUp) != "true" {
			t.Errorf("%s: does not say that it was given up", name)
		}
	}
}

func breaksOff(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func TestWhichAnswersAreTriedAgain(t *testing.T) {
	for _, test := range []struct {
		status int
		fields []string
		calls  int32
	}{
		{200, nil, 1},
		{204, nil, 1},
		{301, nil, 1}, // without a Location
		{404, nil, 1},
		{429, nil, 1},
		{429, []string{"Retry-After: 0"}, 1},
		{500, nil, 1},
		{501, nil, 1},
		{502, nil, 3},
		{503, nil, 3},
		{503, []string{"Retry-After: 3600"}, 1}, // nobody waits for that
		{503, []string{"X-Gabion-Gave-Up: true"}, 1},
		{504, nil, 3},
	} {
		h := scripted(says(test.status, "", test.fields...))
		cfg := httpx.TransportConfig{RetryStatus: []int{429, 502, 503, 504}}
		a := get(t, clientOf(t, cfg, retries(t)), serve(t, h.ServeHTTP).URL)
		if a.status != test.status || a.err != nil || h.calls.Load() != test.calls {
			t.Errorf("%d %v: got %+v after %d calls, want %d", test.status, test.fields, a, h.calls.Load(), test.calls)
		}
	}
}

// An answer that was there is worth more than the news that another policy refused to try again.
func TestAnAnswerIsNotLostWhenTheNextTryIsRefused(t *testing.T) {
	for name, first := range map[string]http.HandlerFunc{"read": says(503, "down"), "not yet read": chunked(503, "down")} {
		noLeak(t)
		h := scripted(first)
		c := clientOf(t, httpx.TransportConfig{}, retries(t), fuse(t, breaker.Config{Consecutive: 1}))
		s := serve(t, h.ServeHTTP)
		if a := get(t, c, s.URL); a.status != http.StatusServiceUnavailable || a.body != "down" || a.err != nil || h.calls.Load() != 1 {
			t.Errorf("%s: got %+v after %d calls", name, a, h.calls.Load())
		}
		// Refused from the start, there is nothing but what happened to another request.
		a := get(t, c, s.URL)
		status, ok := errors.AsType[*httpx.StatusError](a.err)
		if !errors.Is(a.err, breaker.ErrOpen) || !ok || status.Status != http.StatusServiceUnavailable || h.calls.Load() != 1 {
			t.Errorf("%s: got %+v after %d calls", name, a, h.calls.Load())
		}
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	for _, test := range []struct {
		status int
		header http.Header
		calls  int
		waits  time.Duration
	}{
		{503, http.Header{"Retry-After": {"3"}}, 2, 3 * time.Second},
		{429, http.Header{"Retry-After": {"3"}}, 2, 3 * time.Second},
		{503, http.Header{"Retry-After": {"Sat, 21 Nov 2026 10:00:04 GMT"}, "Date": {"Sat, 21 Nov 2026 10:00:00 GMT"}}, 2, 4 * time.Second},
		{503, http.Header{"Retry-After": {"soon"}}, 2, 0},
		{503, http.Header{"Retry-After": {"11"}}, 1, 0}, // the call may take 10 s
		{429, http.Header{"Retry-After": {"11"}}, 1, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			calls := 0
			c := client(t, httpx.TransportConfig{Base: tripper(func(req *http.Request) (*http.Response, error) {
				if calls++; calls > 1 {
					return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: req}, nil
				}
				return &http.Response{StatusCode: test.status, Header: test.header, Body: http.NoBody, Request: req}, nil
			})})
			start := time.Now()
			a := get(t, c, "http://service.test/")
			took := time.Since(start)
			if (a.status == http.StatusOK) != (test.calls == 2) || calls != test.calls || took < test.waits || took > test.waits+time.Second/2 {
				t.Errorf("%d %v: got %+v after %d calls and %v", test.status, test.header, a, calls, took)
			}
		})
	}
}

// Who goes away while the next try is waited for gets no answer of an earlier one, which could not be read.
func TestTheCallerGoesBetweenTwoTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &watchedBody{ReadCloser: io.NopCloser(strings.NewReader("down"))}
		c := client(t, httpx.TransportConfig{Base: tripper(func(req *http.Request) (*http.Response, error) {
			header := http.Header{"Retry-After": {"5"}}
			return &http.Response{StatusCode: 503, Header: header, ContentLength: -1, Body: b, Request: req}, nil
		})})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		a := do(c, request(t, http.MethodGet, "http://service.test/", nil).WithContext(ctx))
		if !errors.Is(a.err, context.Canceled) || !b.closed.Load() || time.Since(start) != time.Second {
			t.Errorf("got %+v after %v; closed: %v", a, time.Since(start), b.closed.Load())
		}
	})
}

func TestTheContextOfARequestEndsWithItsBody(t *testing.T) {
	for name, end := range map[string]func(io.ReadCloser) error{
		"read to the end": func(b io.ReadCloser) error { _, err := io.Copy(io.Discard, b); return err },
		"closed":          func(b io.ReadCloser) error { return b.Close() },
	} {
		base := &observed{RoundTripper: httpx.NewConnections(nil)}
		c := clientOf(t, httpx.TransportConfig{Base: base})
		resp, err := c.Do(request(t, http.MethodGet, serve(t, chunked(200, "some text")).URL, nil))
		if err != nil {
			t.Fatal(err)
		}
		sent := base.all()[0].context
		if sent.Err() != nil {
			t.Errorf("%s: ended before", name)
		}
		if err := end(resp.Body); err != nil || sent.Err() == nil {
			t.Errorf("%s: %v, ended: %v", name, err, sent.Err())
		}
		resp.Body.Close()
	}
}

func TestTheNextHopIsToldOfTriesAndTime(t *testing.T) {
	var mu sync.Mutex
	var seen []http.Header
	h := scripted(says(503, ""), says(503, ""), says(200, ""))
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen = append(seen, r.Header)
		mu.Unlock()
		h.ServeHTTP(w, r)
	})
	c := clientOf(t, httpx.TransportConfig{}, retries(t))
	for _, test := range []struct {
		name           string
		ctx            context.Context
		fields         http.Header
		attempts       string
		least, longest int
	}{
		{name: "three tries", attempts: "1 2 3"},
		{name: "a retry of somebody further out", ctx: gabion.WithAttempt(t.Context(), 2), attempts: "2"},
		{name: "of a client that the request is passed on for", fields: http.Header{httpx.HeaderAttempt: {"7"}}, attempts: "7 7 7"},
		{name: "a deadline", ctx: within(t, time.Minute), attempts: "1 2 3", least: 30_000, longest: 60_000},
		{name: "the client's is nearer", ctx: within(t, time.Minute), fields: http.Header{httpx.HeaderTimeout: {"99"}}, attempts: "1 2 3", least: 99, longest: 99},
		{name: "the client's is further", ctx: within(t, time.Minute), fields: http.Header{httpx.HeaderTimeout: {"99000"}}, attempts: "1 2 3", least: 30_000, longest: 60_000},
		{name: "only the client's", fields: http.Header{httpx.HeaderTimeout: {"99"}}, attempts: "1 2 3", least: 99, longest: 99},
	} {
		mu.Lock()
		seen = nil
		mu.Unlock()
		h.calls.Store(0)
		req := request(t, http.MethodGet, s.URL, nil)
		if test.ctx != nil {
			req = req.WithContext(test.ctx)
		}
		if test.fields != nil {
			req.Header = test.fields
		}
		given := fmt.Sprint(req.Header)
		if a := do(c, req); a.err != nil {
			t.Fatal(a.err)
		}
		mu.Lock()
		var attempts []string
		for _, fields := range seen {
			attempts = append(attempts, fields.Get(httpx.HeaderAttempt))
			ms, err := strconv.Atoi(fields.Get(httpx.HeaderTimeout))
			if (err != nil) != (test.longest == 0) || ms < test.least || ms > test.longest {
				t.Errorf("%s: %q is left", test.name, fields.Get(httpx.HeaderTimeout))
			}
		}
		mu.Unlock()
		if got := strings.Join(attempts, " "); got != test.attempts {
			t.Errorf("%s: tries %s, want %s", test.name, got, test.attempts)
		}
		if now := fmt.Sprint(req.Header); now != given {
			t.Errorf("%s: the request of the caller has changed from %s to %s", test.name, given, now)
		}
	}
}

func TestTheTimeOfATryIsTold(t *testing.T) {
	told := make(chan string, 1)
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) { told <- r.Header.Get(httpx.HeaderTimeout) })
	c := clientOf(t, httpx.TransportConfig{}, limits(t, timeout.Config{Attempt: 20 * time.Second, Total: time.Minute}))
	req := request(t, http.MethodGet, s.URL, nil)
	do(c, req)
	if ms, err := strconv.Atoi(<-told); err != nil || ms <= 10_000 || ms > 20_000 {
		t.Errorf("%d ms are left, %v", ms, err)
	}
	req.Header.Set("Accept", "text/event-stream")
	do(c, req)
	if ms := <-told; ms != "" {
		t.Errorf("a stream is told that %s ms are left", ms)
	}
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestRedirectsAreFollowed(t *testing.T) {
	noLeak(t)
	var hosts sync.Map
	target := serve(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %q try %s", r.Method, b, r.Header.Get(httpx.HeaderAttempt))
	})
	h := scripted(says(503, ""), func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, target.URL, http.StatusTemporaryRedirect)
	})
	s := serve(t, h.ServeHTTP)
	pipe := pipeOf(t, gabion.Config{Classify: httpx.Classify, PerKey: func(host string) ([]gabion.Policy, error) {
		hosts.Store(host, true)
		return []gabion.Policy{retries(t)}, nil
	}})
	a := do(client(t, httpx.TransportConfig{Pipe: pipe, Key: httpx.HostOf}), put(t, s.URL, strings.NewReader("moved")))
	if a.body != `PUT "moved" try 1` || h.calls.Load() != 2 {
		t.Errorf("got %+v after %d calls", a, h.calls.Load())
	}
	for _, server := range []*httptest.Server{s, target} {
		if _, ok := hosts.Load(strings.TrimPrefix(server.URL, "http://")); !ok {
			t.Errorf("no pipe for %s", server.URL)
		}
	}
}

func TestAFallbackStandsInWithAnAnswer(t *testing.T) {
	spare := &http.Response{StatusCode: http.StatusOK}
	instead, err := fallback.New(fallback.Config{}, fallback.Value("spare", spare))
	if err != nil {
		t.Fatal(err)
	}
	noLeak(t)
	c := clientOf(t, httpx.TransportConfig{}, retries(t), instead)
	s := serve(t, chunked(503, "down"))
	for range 3 {
		req := request(t, http.MethodGet, s.URL, nil)
		resp, err := c.Do(req)
		if err != nil || resp.StatusCode != http.StatusOK || resp.Request == nil {
			t.Fatalf("got %+v, %v", resp, err)
		}
		resp.Body.Close()
	}
	if spare.Body != nil || spare.Request != nil {
		t.Error("what the fallback holds has changed")
	}
	nothing, err := fallback.New(fallback.Config{}, fallback.Value("nothing", nil))
	if err != nil {
		t.Fatal(err)
	}
	if a := get(t, clientOf(t, httpx.TransportConfig{}, nothing), s.URL); a.err == nil {
		t.Errorf("got %+v", a)
	}
}

func TestManyRequestsAtOnce(t *testing.T) {
	noLeak(t)
	var n atomic.Int32
	base := &observed{RoundTripper: httpx.NewConnections(nil)}
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		switch i := n.Add(1); {
		case i%7 == 0:
			panic(http.ErrAbortHandler)
		case i%3 == 0:
			chunked(503, strings.Repeat("x", int(i)))(w, r)
		case i%5 == 0:
			hangs(w, r)
		case err == nil:
			w.Write(b)
		}
	})
	c := clientOf(t, httpx.TransportConfig{Base: base}, retries(t), hedges(t), limits(t, timeout.Config{Attempt: 100 * time.Millisecond}))
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			text := fmt.Sprint("body ", i)
			a := do(c, put(t, s.URL, &source{Reader: strings.NewReader(text)}))
			if a.status == http.StatusOK && a.body != text {
				t.Errorf("sent %q, got %+v", text, a)
			}
		})
	}
	wg.Wait()
	eventually(t, "all bodies are closed, and all contexts have ended", func() bool {
		return !slices.ContainsFunc(base.all(), func(b *watchedBody) bool { return !b.closed.Load() || b.context.Err() == nil })
	})
	c.CloseIdleConnections()
}

// bare is a base that does as little as it can.
func bare(t *testing.T, answers ...*http.Response) *http.Client {
	return clientOf(t, httpx.TransportConfig{Base: tripper(func(*http.Request) (*http.Response, error) {
		resp := answers[0]
		answers = answers[1:]
		return resp, nil
	})}, retries(t))
}

func TestABaseThatDoesLittle(t *testing.T) {
	if a := get(t, bare(t, &http.Response{StatusCode: 503}, &http.Response{StatusCode: 200}), "http://service.test/"); a.status != 200 || a.err != nil {
		t.Errorf("got %+v", a)
	}
	if a := get(t, bare(t, nil, nil, nil), "http://service.test/"); a.err == nil {
		t.Errorf("got %+v", a)
	}
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe() // nobody writes, and no context is looked at
		defer w.Close()
		c := bare(t, &http.Response{StatusCode: 503, ContentLength: -1, Body: r}, &http.Response{StatusCode: 200})
		if a := get(t, c, "http://service.test/"); a.status != 200 || a.err != nil {
			t.Errorf("got %+v", a)
		}
	})
}
