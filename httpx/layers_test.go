package httpx_test

import (
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gabion-io/gabion/httpx"
	"github.com/gabion-io/gabion/retry"
)

// outgoing is the client of one layer: three tries, and a tenth more calls than there are.
func outgoing(t testing.TB) *http.Client {
	t.Helper()
	cfg := quick
	cfg.Attempts, cfg.Budget = 3, 0.1
	again, err := retry.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return clientOf(t, httpx.TransportConfig{}, again)
}

// strip is a layer that knows nothing of tries: it takes away what one layer tells the other.
func strip(h http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del(httpx.HeaderAttempt)
		h.ServeHTTP(unmarked{w}, r)
	}
}

type unmarked struct{ http.ResponseWriter }

func (w unmarked) WriteHeader(status int) {
	w.Header().Del(httpx.HeaderGaveUp)
	w.ResponseWriter.WriteHeader(status)
}

// A client calls service A, which calls B, which calls C, which always fails. All of them try three times.
func TestTrap13ThreeLayersDoNotMultiply(t *testing.T) {
	const offered, reserve = 400, 10
	asIs := func(h http.Handler) http.HandlerFunc { return h.ServeHTTP }
	for name, test := range map[string]struct {
		layer func(http.Handler) http.HandlerFunc
		most  int32
		least int32
	}{
		"the layers tell each other": {layer: asIs, most: offered*11/10 + reserve},
		"the negative twin":          {layer: strip, least: offered*11/10 + reserve + 1},
	} {
		t.Run(name, func(t *testing.T) {
			noLeak(t)
			var bottom atomic.Int32
			c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				bottom.Add(1)
				w.WriteHeader(http.StatusServiceUnavailable)
			})
			// B passes on what it is asked, as a handler does that is written by hand.
			toC := outgoing(t)
			b := serve(t, test.layer(handler(t, httpx.HandlerConfig{}, func(w http.ResponseWriter, r *http.Request) {
				resp, err := toC.Do(request(t, http.MethodGet, c.URL, nil).WithContext(r.Context()))
				if err != nil {
					w.WriteHeader(http.StatusServiceUnavailable)
					return
				}
				defer resp.Body.Close()
				w.WriteHeader(resp.StatusCode)
				io.Copy(w, resp.Body)
			})))
			// A passes it on as a proxy.
			target, err := url.Parse(b.URL)
			if err != nil {
				t.Fatal(err)
			}
			toB := &httputil.ReverseProxy{
				Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
				Transport: outgoing(t).Transport,
			}
			a := serve(t, test.layer(handler(t, httpx.HandlerConfig{}, toB.ServeHTTP)))
			user := outgoing(t)
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					for range offered / 4 {
						if got := get(t, user, a.URL); got.status != http.StatusServiceUnavailable || got.err != nil {
							t.Errorf("got %+v", got)
						}
					}
				})
			}
			wg.Wait()
			if n := bottom.Load(); n < offered || n < test.least || test.most > 0 && n > test.most {
				t.Errorf("%d requests arrive at the bottom of %d, want at least %d and at most %d", n, offered, test.least, test.most)
			}
			t.Logf("%d requests arrive at the bottom of %d", bottom.Load(), offered)
		})
	}
}

// What must survive the way between two layers.
func TestWhatIsGivenUpIsSaidOnTheWayBack(t *testing.T) {
	for name, test := range map[string]struct {
		c    http.HandlerFunc
		b    func(*http.Response, error) int // what B makes of the answer of C
		want string
	}{
		"passed on":               {says(503, ""), status, "true"},
		"as another failure":      {says(503, ""), func(*http.Response, error) int { return 500 }, "true"},
		"no answer":               {breaksOff, func(*http.Response, error) int { return 502 }, "true"},
		"given up further in":     {says(503, "", "X-Gabion-Gave-Up: true"), status, "true"},
		"made good":               {says(503, ""), func(*http.Response, error) int { return 200 }, ""},
		"not tried again":         {says(500, ""), status, ""},
		"a failure of B's own":    {says(200, ""), func(*http.Response, error) int { return 503 }, ""},
		"tried again, and served": {scripted(says(503, ""), says(200, "")).ServeHTTP, func(*http.Response, error) int { return 503 }, ""},
	} {
		c := serve(t, test.c)
		toC := clientOf(t, httpx.TransportConfig{}, retries(t))
		b := serve(t, handler(t, httpx.HandlerConfig{}, func(w http.ResponseWriter, r *http.Request) {
			resp, err := toC.Do(request(t, http.MethodGet, c.URL, nil).WithContext(r.Context()))
			if err == nil {
				defer resp.Body.Close()
			}
			w.WriteHeader(test.b(resp, err))
		}))
		if a := get(t, plain(t), b.URL); a.err != nil || a.header.Get(httpx.HeaderGaveUp) != test.want {
			t.Errorf("%s: got %+v, want %q", name, a, test.want)
		}
	}
}

func status(resp *http.Response, _ error) int { return resp.StatusCode }
