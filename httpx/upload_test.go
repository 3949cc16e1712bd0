package httpx

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"testing/iotest"
)

// dribble gives its text in pieces of random size, and counts how often it was closed.
type dribble struct {
	rest   []byte
	random *rand.Rand
	closes int
}

func (d *dribble) Read(p []byte) (int, error) {
	if len(d.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, d.rest[:min(len(d.rest), d.random.IntN(300))])
	d.rest = d.rest[n:]
	return n, nil
}

func (d *dribble) Close() error {
	d.closes++
	return nil
}

// Any number of tries that read at the same time, each at its own speed, all get the whole body, or are told that they
// cannot; and the body is read and closed once.
func TestTriesShareABody(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 1))
		text := make([]byte, random.IntN(5000))
		for i := range text {
			text[i] = byte(random.Uint32())
		}
		origin := &dribble{rest: text, random: random}
		keep := random.IntN(6000)
		u := newUpload(&http.Request{Body: origin}, keep)
		var wg sync.WaitGroup
		var mu sync.Mutex
		whole := 0
		var bodies [4]io.ReadCloser
		for i := range bodies {
			var err error
			if bodies[i], err = u.next(); err != nil {
				t.Fatal(err)
			}
		}
		for _, body := range bodies {
			wg.Go(func() {
				got, err := io.ReadAll(body)
				body.Close()
				body.Close()
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil && bytes.Equal(got, text):
					whole++
				case !errors.Is(err, ErrNoBody) || !bytes.HasPrefix(text, got):
					t.Errorf("seed %d: %d of %d bytes, %v", seed, len(got), len(text), err)
				}
			})
		}
		wg.Wait()
		if fits := len(text) <= keep; fits && whole != 4 || !fits && whole != 1 || u.again() != fits {
			t.Errorf("seed %d: %d have got all of %d bytes, of which %d are kept; again: %v", seed, whole, len(text), keep, u.again())
		}
		if origin.closes != 0 {
			t.Errorf("seed %d: closed before the call was over", seed)
		}
		u.end()
		if _, err := u.next(); !errors.Is(err, errOver) || origin.closes != 1 {
			t.Errorf("seed %d: %v after the end, closed %d times", seed, err, origin.closes)
		}
	}
}

// A try that is closed while another waits for it to read does not stop the other.
func TestAClosedTryDoesNotStopTheNext(t *testing.T) {
	r, w := io.Pipe()
	u := newUpload(&http.Request{Body: r}, 100)
	first, err := u.next()
	if err != nil {
		t.Fatal(err)
	}
	read := make(chan error)
	go func() {
		_, err := io.ReadAll(first)
		read <- err
	}()
	io.WriteString(w, "begin ") // the first is there
	first.Close()
	second, err := u.next()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		io.WriteString(w, "end")
		w.Close()
	}()
	if got, err := io.ReadAll(second); string(got) != "begin end" || err != nil {
		t.Errorf("the second got %q, %v", got, err)
	}
	if err := <-read; !errors.Is(err, errClosed) {
		t.Errorf("the first got %v", err)
	}
	u.end()
	second.Close()
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("the body is not closed: %v", err)
	}
}

func TestAnUploadIsClosedWhenItsLastTryIs(t *testing.T) {
	for name, renew := range map[string]func() (io.ReadCloser, error){
		"kept":    nil,
		"renewed": func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(nil)), nil },
	} {
		origin := &dribble{random: rand.New(rand.NewPCG(1, 1))}
		u := newUpload(&http.Request{Body: origin, GetBody: renew}, 100)
		first, err1 := u.next()
		second, err2 := u.next()
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		u.end()
		if origin.closes != 0 {
			t.Errorf("%s: closed while it may be read", name)
		}
		second.Close()
		first.Close()
		first.Close()
		if origin.closes != 1 {
			t.Errorf("%s: closed %d times", name, origin.closes)
		}
	}
}

// What the caller itself failed to give is not asked for again.
func TestAnUploadThatBreaksIsNotSentAgain(t *testing.T) {
	torn := errors.New("torn")
	for name, renew := range map[string]func() (io.ReadCloser, error){
		"kept":    nil,
		"renewed": func() (io.ReadCloser, error) { return http.NoBody, nil },
	} {
		u := newUpload(&http.Request{Body: io.NopCloser(iotest.ErrReader(torn)), GetBody: renew}, 100)
		body, err := u.next()
		if err != nil || !u.again() || u.failure() != nil {
			t.Errorf("%s: %v, again: %v, %v", name, err, u.again(), u.failure())
		}
		if _, err := body.Read(make([]byte, 1)); !errors.Is(err, torn) || u.again() || !errors.Is(u.failure(), ErrBody) {
			t.Errorf("%s: %v, again: %v, %v", name, err, u.again(), u.failure())
		}
	}
}

func TestARequestWithoutHeaders(t *testing.T) {
	for _, status := range []int{http.StatusOK, http.StatusInternalServerError} {
		transport, err := NewTransport(TransportConfig{Base: roundTrip(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Body: http.NoBody, Header: r.Header}, nil
		})})
		if err != nil {
			t.Fatal(err)
		}
		resp, err := transport.RoundTrip(&http.Request{URL: &url.URL{Scheme: "http", Host: "service.test"}})
		if err != nil || resp.StatusCode != status || resp.Header.Get(HeaderAttempt) != "1" {
			t.Errorf("got %+v, %v", resp, err)
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// An answer that comes when the call is over is let go.
func TestAnAnswerThatComesAfterTheCall(t *testing.T) {
	b := &dribble{random: rand.New(rand.NewPCG(1, 1))}
	cfg := TransportConfig{}.withDefaults()
	req := (&http.Request{URL: &url.URL{Scheme: "http", Host: "service.test"}}).WithContext(t.Context())
	c := &call{config: &cfg, req: req, upload: newUpload(req, 0), repeatable: true}
	cfg.Base = roundTrip(func(*http.Request) (*http.Response, error) {
		c.end()
		return &http.Response{StatusCode: http.StatusOK, Body: b, ContentLength: -1}, nil
	})
	if resp, err := c.try(t.Context()); !errors.Is(err, errOver) || resp != nil || b.closes != 1 {
		t.Errorf("got %v, %v; closed %d times", resp, err, b.closes)
	}
	if _, err := c.try(t.Context()); !errors.Is(err, errOver) || b.closes != 1 {
		t.Errorf("another try: %v", err)
	}
}

func TestHostOf(t *testing.T) {
	for raw, want := range map[string]string{
		"http://Service.Test/x":         "service.test:80",
		"https://service.test":          "service.test:443",
		"HTTPS://service.test":          "service.test:443",
		"http://user:pw@service.test:9": "service.test:9",
		"http://[::1]:9/":               "[::1]:9",
		"http://[::1]/":                 "[::1]:80",
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := HostOf(&http.Request{URL: u, Host: "other.test"}); got != want {
			t.Errorf("%s: %s, want %s", raw, got, want)
		}
	}
}

func TestPoolsAreBounded(t *testing.T) {
	c := NewConnections(&http.Transport{})
	first := c.pool("first")
	for i := range maxPools + 10 {
		c.pool("first")
		c.pool(strconv.Itoa(i))
	}
	if len(c.pools) != maxPools || c.pool("first") != first || c.pools["0"] != nil || c.pools[strconv.Itoa(maxPools+9)] == nil {
		t.Errorf("%d pools", len(c.pools))
	}
	if first.transport.IdleConnTimeout != maxIdle {
		t.Errorf("connections stay idle for %v", first.transport.IdleConnTimeout)
	}
}
