package httpx_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/breaker"
	"github.com/gabion-io/gabion/httpx"
	"github.com/gabion-io/gabion/timeout"
)

// source is a body that nobody knows the length of.
type source struct {
	io.Reader
	closed atomic.Bool
}

func (s *source) Close() error {
	s.closed.Store(true)
	return nil
}

// put is a request that may be repeated.
func put(t testing.TB, url string, body io.Reader) *http.Request {
	t.Helper()
	req := request(t, http.MethodPut, url, body)
	req.Header.Set("Idempotency-Key", "1")
	return req
}

// echoSecond fails, after it has read the body, and answers with the body from then on.
func echoSecond() *script {
	return scripted(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusServiceUnavailable)
	}, echo)
}

// echo answers with the body, once it has all of it: with HTTP/1, what is written ends the reading.
func echo(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	w.Write(b)
}

func TestBodiesAreSentAgainUpToABound(t *testing.T) {
	const bound = 10_000
	text := func(n int) string { return strings.Repeat("0123456789", n/10+1)[:n] }
	unknown := func(s string) *source { return &source{Reader: strings.NewReader(s)} }
	for name, test := range map[string]struct {
		body  io.Reader
		keep  int
		want  string // "" when it is not sent again
		calls int32
	}{
		"none":                            {nil, bound, "", 2},
		"one with GetBody":                {strings.NewReader(text(3 * bound)), bound, text(3 * bound), 2},
		"one with GetBody, nothing kept":  {bytes.NewReader([]byte(text(100))), gabion.Off, text(100), 2},
		"of unknown length":               {unknown(text(100)), bound, text(100), 2},
		"of unknown length, and empty":    {unknown(""), bound, "", 2},
		"as long as the bound":            {unknown(text(bound)), bound, text(bound), 2},
		"one byte longer":                 {unknown(text(bound + 1)), bound, "", 1},
		"much longer":                     {unknown(text(20 * bound)), bound, "", 1},
		"of unknown length, nothing kept": {unknown(text(1)), gabion.Off, "", 1},
		"byte by byte":                    {&source{Reader: iotest.OneByteReader(strings.NewReader(text(100)))}, bound, text(100), 2},
		"with its end at once":            {&source{Reader: iotest.DataErrReader(strings.NewReader(text(100)))}, bound, text(100), 2},
		"by default":                      {unknown(text(60_000)), 0, text(60_000), 2},
	} {
		t.Run(name, func(t *testing.T) {
			noLeak(t)
			h := echoSecond()
			s := serve(t, h.ServeHTTP)
			a := do(clientOf(t, httpx.TransportConfig{KeepBody: test.keep}, retries(t)), put(t, s.URL, test.body))
			want := http.StatusOK
			if test.calls == 1 {
				want = http.StatusServiceUnavailable
			}
			if a.err != nil || a.status != want || a.body != test.want || h.calls.Load() != test.calls {
				t.Errorf("got %d, %d bytes, %v after %d calls; want %d bytes after %d",
					a.status, len(a.body), a.err, h.calls.Load(), len(test.want), test.calls)
			}
			if body, ok := test.body.(*source); ok {
				eventually(t, "the body is closed", body.closed.Load)
			}
		})
	}
}

func TestABodyIsOnlyReadWhenItIsSent(t *testing.T) {
	noLeak(t)
	// The client waits for the answer's head before it says more: a body must not be read before.
	r, w := io.Pipe()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		if err := control.EnableFullDuplex(); err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusOK)
		control.Flush()
		for buf := make([]byte, 100); ; control.Flush() {
			n, err := r.Body.Read(buf)
			w.Write(buf[:n])
			if err != nil {
				return
			}
		}
	})
	resp, err := clientOf(t, httpx.TransportConfig{}, retries(t)).Do(put(t, s.URL, r))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	for _, word := range []string{"ping", "pong"} {
		if _, err := io.WriteString(w, word); err != nil {
			t.Fatal(err)
		}
		heard := make([]byte, 4)
		if _, err := io.ReadFull(resp.Body, heard); err != nil || string(heard) != word {
			t.Fatalf("heard %q, %v", heard, err)
		}
	}
	w.Close()
	if rest, err := io.ReadAll(resp.Body); err != nil || len(rest) != 0 {
		t.Errorf("then %q, %v", rest, err)
	}
}

func TestABodyThatCannotBeReadIsNoFailureOfTheService(t *testing.T) {
	noLeak(t)
	torn := errors.New("torn")
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) })
	b, again := fuse(t, breaker.Config{Consecutive: 1}), retries(t)
	c := clientOf(t, httpx.TransportConfig{}, again, b)
	for _, body := range []io.Reader{
		io.MultiReader(strings.NewReader("begin"), iotest.ErrReader(torn)),
		&source{Reader: iotest.ErrReader(torn)},
	} {
		if a := do(c, put(t, s.URL, body)); !errors.Is(a.err, httpx.ErrBody) || !errors.Is(a.err, torn) {
			t.Errorf("got %+v", a)
		}
	}
	req := put(t, s.URL, iotest.ErrReader(torn))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(iotest.ErrReader(torn)), nil }
	if a := do(c, req); !errors.Is(a.err, httpx.ErrBody) || !errors.Is(a.err, torn) {
		t.Errorf("made anew: got %+v", a)
	}
	if n := again.Snapshot(gabion.Now()).Retries; n != 0 || b.State() != breaker.Closed {
		t.Errorf("%d retries, and the breaker is %v", n, b.State())
	}
	h := scripted(says(http.StatusServiceUnavailable, ""))
	req = put(t, serve(t, h.ServeHTTP).URL, strings.NewReader("x"))
	req.GetBody = func() (io.ReadCloser, error) { return nil, torn }
	if a := do(clientOf(t, httpx.TransportConfig{}, retries(t)), req); !errors.Is(a.err, torn) || h.calls.Load() != 1 {
		t.Errorf("without GetBody: got %+v after %d calls", a, h.calls.Load())
	}
}

func TestTheBodyIsClosedWhateverHappens(t *testing.T) {
	open := fuse(t, breaker.Config{Consecutive: 1})
	open.Force(breaker.ForcedOpen)
	closed := must(http.NewRequest(http.MethodPut, "http://127.0.0.1:1/", nil))
	noHost := must(http.NewRequest(http.MethodPut, "/nowhere", nil))
	for name, test := range map[string]struct {
		c   *http.Client
		req *http.Request
	}{
		"refused":       {clientOf(t, httpx.TransportConfig{}, open), closed},
		"no host":       {client(t, httpx.TransportConfig{}), noHost},
		"no connection": {clientOf(t, httpx.TransportConfig{}, retries(t)), closed},
	} {
		body := &source{Reader: strings.NewReader("body")}
		req := test.req.WithContext(t.Context())
		req.Body = body
		if _, err := test.c.Transport.RoundTrip(req); err == nil || !body.closed.Load() {
			t.Errorf("%s: %v, closed: %v", name, err, body.closed.Load())
		}
	}
}

func must(r *http.Request, err error) *http.Request {
	if err != nil {
		panic(err)
	}
	return r
}

func TestExpectContinue(t *testing.T) {
	noLeak(t)
	asked := new(source)
	h := scripted(says(http.StatusServiceUnavailable, "not now"), echo)
	s := serve(t, h.ServeHTTP)
	// Not a byte of the body is read for the first try, so it can be sent again, however long it is.
	c := clientOf(t, httpx.TransportConfig{
		Base:     httpx.NewConnections(&http.Transport{ExpectContinueTimeout: time.Minute}),
		KeepBody: gabion.Off,
	}, retries(t))
	asked.Reader = strings.NewReader("the body")
	req := put(t, s.URL, asked)
	req.Header.Set("Expect", "100-continue")
	if a := do(c, req); a.body != "the body" || a.err != nil || h.calls.Load() != 2 {
		t.Errorf("got %+v after %d calls", a, h.calls.Load())
	}
}

func TestAnswersThatBreakOff(t *testing.T) {
	short := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		breaks(w, r)
	}
	nothing := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	for name, test := range map[string]struct {
		first http.HandlerFunc
		cfg   httpx.TransportConfig
		calls int32
	}{
		"it says how long it is":                 {short, httpx.TransportConfig{}, 2},
		"it says how long it is, nothing comes":  {nothing, httpx.TransportConfig{}, 2},
		"it does not":                            {breaks, httpx.TransportConfig{}, 1},
		"it is too long":                         {short, httpx.TransportConfig{ReadAhead: 99}, 1},
		"nothing is read ahead, a negative twin": {short, httpx.TransportConfig{ReadAhead: gabion.Off}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			noLeak(t)
			h := scripted(test.first, says(http.StatusOK, "whole"))
			a := get(t, clientOf(t, test.cfg, retries(t)), serve(t, h.ServeHTTP).URL)
			if whole := a.body == "whole" && a.err == nil; whole != (test.calls == 2) || h.calls.Load() != test.calls {
				t.Errorf("got %+v after %d calls, want %d", a, h.calls.Load(), test.calls)
			}
			if test.calls == 1 && !errors.Is(a.err, io.ErrUnexpectedEOF) {
				t.Errorf("got the error %v", a.err)
			}
		})
	}
}

func TestAnswersWithoutABody(t *testing.T) {
	noLeak(t)
	var connections atomic.Int32
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "5")
		if r.URL.Path == "/empty" {
			w.Header().Set("Content-Length", "0")
			return
		}
		if r.URL.Path == "/304" {
			w.WriteHeader(http.StatusNotModified)
		}
	}, counting(&connections))
	c := client(t, httpx.TransportConfig{})
	for _, test := range []struct {
		method, path string
		length       int64
	}{{http.MethodHead, "/", 5}, {http.MethodGet, "/304", 0}, {http.MethodGet, "/empty", 0}} {
		resp, err := c.Do(request(t, test.method, s.URL+test.path, nil))
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if len(b) != 0 || err != nil || resp.ContentLength != test.length {
			t.Errorf("%s %s: %q, %v, length %d", test.method, test.path, b, err, resp.ContentLength)
		}
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// silent begins an answer and says no more.
func silent(w http.ResponseWriter, r *http.Request) {
	io.WriteString(w, "begin")
	http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

func TestABodyThatStalls(t *testing.T) {
	noLeak(t)
	one := serve(t, silent)
	two, base := secure(t, silent)
	torn := errors.New("torn")
	for name, test := range map[string]struct {
		cfg    httpx.TransportConfig
		url    string
		stream bool
		ctx    func() context.Context
		want   error
	}{
		"HTTP/1":                    {cfg: httpx.TransportConfig{BodyIdle: 50 * time.Millisecond}, url: one.URL, want: timeout.ErrExceeded},
		"HTTP/2":                    {cfg: httpx.TransportConfig{BodyIdle: 50 * time.Millisecond, Base: base}, url: two.URL, want: timeout.ErrExceeded},
		"the caller's time, HTTP/1": {url: one.URL, ctx: func() context.Context { return within(t, 50*time.Millisecond) }, want: context.DeadlineExceeded},
		"the caller's time, HTTP/2": {
			cfg: httpx.TransportConfig{Base: base}, url: two.URL,
			ctx: func() context.Context { return within(t, 50*time.Millisecond) }, want: context.DeadlineExceeded,
		},
		"a stream, the negative twin": {
			cfg: httpx.TransportConfig{BodyIdle: 50 * time.Millisecond}, url: one.URL, stream: true,
			ctx: func() context.Context {
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(500*time.Millisecond, func() { cancel(torn) })
				return ctx
			}, want: torn,
		},
	} {
		req := request(t, http.MethodGet, test.url, nil)
		if test.ctx != nil {
			req = req.WithContext(test.ctx())
		}
		if test.stream {
			req.Header.Set("Accept", "text/event-stream")
		}
		start := time.Now()
		a := do(client(t, test.cfg), req)
		n, ok := a.err.(net.Error) //nolint:errorlint // as most ask
		if a.body != "begin" || !errors.Is(a.err, test.want) || (ok && n.Timeout()) != !test.stream || time.Since(start) > patience {
			t.Errorf("%s: got %+v after %v", name, a, time.Since(start))
		}
	}
}

// Who is slow to read does not make the body stall.
func TestABodyDoesNotStallWhileNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent context.Context
		base := tripper(func(req *http.Request) (*http.Response, error) {
			sent = req.Context()
			b := io.NopCloser(iotest.OneByteReader(strings.NewReader("abc")))
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, ContentLength: -1, Body: b, Request: req}, nil
		})
		resp, err := client(t, httpx.TransportConfig{Base: base}).Do(request(t, http.MethodGet, "http://service.test/", nil))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		for range 3 {
			time.Sleep(time.Hour)
			if n, err := resp.Body.Read(make([]byte, 10)); n != 1 || err != nil || sent.Err() != nil {
				t.Fatalf("read %d, %v", n, err)
			}
		}
	})
}
