package httpx_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/breaker"
	"github.com/gabion-io/gabion/httpx"
	"github.com/gabion-io/gabion/timeout"
)

// ledger counts the connections of a server: how many came, how many are there.
type ledger struct{ came, open atomic.Int32 }

func (l *ledger) watch(s *httptest.Server) {
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			l.came.Add(1)
			l.open.Add(1)
		case http.StateClosed, http.StateHijacked:
			l.open.Add(-1)
		}
	}
}

func TestABreakerThatOpensDropsTheConnectionsToItsHost(t *testing.T) {
	broken := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			io.WriteString(w, "begin")
			http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}
		w.WriteHeader(http.StatusInternalServerError)
	}
	for name, test := range map[string]struct {
		base  http.RoundTripper
		drops bool
	}{
		"by default":         {nil, true},
		"Connections":        {httpx.NewConnections(&http.Transport{}), true},
		"one net/http pool":  {http.DefaultTransport.(*http.Transport).Clone(), true},
		"the naive one":      {tripper(http.DefaultTransport.RoundTrip), false},
		"the negative twin ": {struct{ http.RoundTripper }{httpx.NewConnections(nil)}, false},
	} {
		var bad, good ledger
		badServer, goodServer := serve(t, broken, bad.watch), serve(t, says(200, "well"), good.watch)
		c := client(t, httpx.TransportConfig{Base: test.base})
		get(t, c, goodServer.URL)
		slow, err := c.Do(request(t, http.MethodGet, badServer.URL+"/slow", nil)) // in use while the breaker opens
		if err != nil {
			t.Fatal(err)
		}
		for range 25 {
			get(t, c, badServer.URL)
		}
		if test.drops {
			eventually(t, name+": idle connections are closed", func() bool { return bad.open.Load() <= 1 })
		} else if bad.open.Load() != 2 {
			t.Errorf("%s: %d connections are open", name, bad.open.Load())
		}
		if test.base == nil && good.open.Load() != 1 {
			t.Errorf("%s: %d connections to the good host are open", name, good.open.Load())
		}
		slow.Body.Close()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	}
}

func TestDroppedConnectionsAreNotUsedAgain(t *testing.T) {
	noLeak(t)
	var l ledger
	rest := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "begin ")
		http.NewResponseController(w).Flush()
		<-rest
		io.WriteString(w, "end")
	}, l.watch)
	connections := httpx.NewConnections(&http.Transport{})
	defer connections.CloseIdleConnections()
	c := &http.Client{Transport: connections}
	resp, err := c.Do(request(t, http.MethodGet, s.URL, nil))
	if err != nil {
		t.Fatal(err)
	}
	connections.Drop(strings.TrimPrefix(s.URL, "http://"))
	connections.Drop("unknown.test:80")
	close(rest)
	if b, err := io.ReadAll(resp.Body); string(b) != "begin end" || err != nil {
		t.Errorf("who uses a connection is not disturbed, but got %q, %v", b, err)
	}
	resp.Body.Close()
	eventually(t, "it is closed after that", func() bool { return l.open.Load() == 0 })
	if a := get(t, c, s.URL); a.body != "begin end" || l.came.Load() != 2 {
		t.Errorf("got %+v over %d connections", a, l.came.Load())
	}
}

// A request that is on its way to a connection when they are dropped does not leave one behind.
func TestAConnectionThatIsMadeWhileTheyAreDroppedIsNotKept(t *testing.T) {
	noLeak(t)
	var l ledger
	s := serve(t, says(200, "well"), l.watch)
	var connections *httpx.Connections
	// What net/http asks first, before it looks for a connection, is whether there is a proxy.
	connections = httpx.NewConnections(&http.Transport{Proxy: func(req *http.Request) (*url.URL, error) {
		connections.Drop(req.URL.Host)
		return nil, nil
	}})
	if a := get(t, &http.Client{Transport: connections}, s.URL); a.body != "well" || l.came.Load() != 1 {
		t.Errorf("got %+v over %d connections", a, l.came.Load())
	}
	eventually(t, "it is closed", func() bool { return l.open.Load() == 0 })
}

func TestARequestToNowhere(t *testing.T) {
	body := &source{Reader: strings.NewReader("x")}
	req := &http.Request{Method: http.MethodPost, Body: body}
	if resp, err := httpx.NewConnections(nil).RoundTrip(req); err == nil || resp != nil || !body.closed.Load() {
		t.Errorf("got %v, %v", resp, err)
	}
}

func TestConnectionsAreDroppedWhileRequestsBegin(t *testing.T) {
	noLeak(t)
	var l ledger
	s := serve(t, says(200, "well"), l.watch)
	connections := httpx.NewConnections(nil)
	c := &http.Client{Transport: connections}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				if a := get(t, c, s.URL); a.err != nil {
					t.Error(a.err)
				}
			}
		})
	}
	for range 200 {
		connections.Drop(strings.TrimPrefix(s.URL, "http://"))
	}
	wg.Wait()
	connections.CloseIdleConnections()
	eventually(t, "no connection is left", func() bool { return l.open.Load() == 0 })
}

// secure serves HTTP/2, and returns connections that trust it.
func secure(t *testing.T, h http.HandlerFunc, changes ...func(*httptest.Server)) (*httptest.Server, *httpx.Connections) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = true
	for _, change := range changes {
		change(s)
	}
	s.StartTLS()
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return s, httpx.NewConnections(&http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots}})
}

func TestHTTP2(t *testing.T) {
	noLeak(t)
	var l ledger
	h := scripted(
		says(503, "short"), chunked(503, strings.Repeat("long ", 5000)),
		func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Trailer", "X-End")
			chunked(200, r.Proto+" ")(w, r)
			echo(w, r)
			w.Header().Set("X-End", "yes")
		},
	)
	s, base := secure(t, h.ServeHTTP, l.watch)
	c := clientOf(t, httpx.TransportConfig{Base: base}, retries(t), limits(t, timeout.Config{}))
	resp, err := c.Do(put(t, s.URL, &source{Reader: strings.NewReader("a body")}))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if string(b) != "HTTP/2.0 a body" || err != nil || resp.Trailer.Get("X-End") != "yes" || h.calls.Load() != 3 || l.came.Load() != 1 {
		t.Errorf("got %q, %v, trailers %v after %d calls over %d connections", b, err, resp.Trailer, h.calls.Load(), l.came.Load())
	}
}

func TestHTTP2StreamsThatBreak(t *testing.T) {
	noLeak(t)
	var calls atomic.Int32
	gone := make(chan struct{}, 10)
	s, base := secure(t, func(w http.ResponseWriter, r *http.Request) {
		switch n := calls.Add(1); {
		case r.URL.Path == "/reset" && n == 1:
			w.Header().Set("Content-Length", "100")
			breaks(w, r)
		case r.URL.Path == "/hangs":
			hangs(w, r)
			gone <- struct{}{}
		}
		io.WriteString(w, "whole")
	})
	c := clientOf(t, httpx.TransportConfig{Base: base}, retries(t), limits(t, timeout.Config{Attempt: 100 * time.Millisecond}))
	if a := get(t, c, s.URL+"/reset"); a.body != "whole" || a.err != nil || calls.Load() != 2 {
		t.Errorf("reset: got %+v after %d calls", a, calls.Load())
	}
	if a := get(t, c, s.URL+"/hangs"); a.err == nil {
		t.Errorf("hangs: got %+v", a)
	}
	for range 3 {
		select {
		case <-gone:
		case <-time.After(patience):
			t.Fatal("the server still works for tries that were given up")
		}
	}
}

func TestACertificateThatIsNotTrustedIsNotTriedAgain(t *testing.T) {
	var l ledger
	s, _ := secure(t, says(200, ""), l.watch, func(s *httptest.Server) { s.Config.ErrorLog = quiet })
	again := retries(t)
	if a := get(t, clientOf(t, httpx.TransportConfig{}, again), s.URL); a.err == nil || again.Snapshot(gabion.Now()).Retries != 0 {
		t.Errorf("got %+v after %d retries", a, again.Snapshot(gabion.Now()).Retries)
	}
}

func TestAnotherProtocol(t *testing.T) {
	noLeak(t)
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, buf, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		line, _ := buf.ReadString('\n')
		io.WriteString(conn, line)
	})
	c := clientOf(t, httpx.TransportConfig{}, limits(t, timeout.Config{Attempt: time.Minute}), fuse(t, breaker.Config{}))
	req := request(t, http.MethodGet, s.URL, nil)
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "echo")
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	conn, ok := resp.Body.(io.ReadWriteCloser)
	if !ok {
		t.Fatalf("the body is a %T", resp.Body)
	}
	io.WriteString(conn, "hello\n")
	if b, err := io.ReadAll(conn); string(b) != "hello\n" || err != nil {
		t.Errorf("got %q, %v", b, err)
	}
}
