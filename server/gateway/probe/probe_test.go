package probe

import (
	"context"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// serve starts a server of the given scheme, which ends with the test.
func serve(t *testing.T, scheme string, h http.HandlerFunc) (target Target, connections *atomic.Int64) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	connections = new(atomic.Int64)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	target.Timeout = 10 * time.Second
	switch scheme {
	case "h2c":
		s.Config.Protocols = new(http.Protocols)
		s.Config.Protocols.SetUnencryptedHTTP2(true)
		s.Start()
	case "https":
		s.EnableHTTP2 = true
		s.StartTLS()
		target.Roots = x509.NewCertPool()
		target.Roots.AddCert(s.Certificate())
	default:
		s.Start()
	}
	t.Cleanup(s.Close)
	target.Address = s.Listener.Addr().String()
	target.URL = &url.URL{Scheme: scheme, Host: "example.com"} // the name in the certificate
	target.Path = "/healthz?deep=1"
	return target, connections
}

func TestAsk(t *testing.T) {
	for _, scheme := range []string{"http", "h2c", "https"} {
		t.Run(scheme, func(t *testing.T) {
			for _, tt := range []struct {
				name    string
				handler http.HandlerFunc
				want    string
			}{
				{"200", func(http.ResponseWriter, *http.Request) {}, ""},
				{"204", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, ""},
				{"a redirection is not followed", func(w http.ResponseWriter, r *http.Request) {
					http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
				}, ""},
				{"503", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, "status 503"},
				{"404", http.NotFound, "status 404"},
				{"it is asked for what is configured", func(w http.ResponseWriter, r *http.Request) {
					if r.Host != "example.com" || r.URL.String() != "/healthz?deep=1" || r.Method != http.MethodGet || r.UserAgent() != agent {
						w.WriteHeader(500)
					}
				}, ""},
				{"an endless body is not read to its end", func(w http.ResponseWriter, r *http.Request) {
					for block := make([]byte, 64<<10); r.Context().Err() == nil; {
						if _, err := w.Write(block); err != nil {
							return
						}
					}
				}, ""},
				{"the connection breaks", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "*"},
				{"the body breaks", func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Length", "100")
					if _, err := w.Write([]byte("half")); err != nil {
						panic(err)
					}
					w.(http.Flusher).Flush()
					panic(http.ErrAbortHandler)
				}, "body: *"},
			} {
				target, connections := serve(t, scheme, tt.handler)
				p := New(target)
				for range 3 {
					got := p.Ask(t.Context())
					prefix, open := strings.CutSuffix(tt.want, "*")
					if open && (len(got) <= len(prefix) || !strings.HasPrefix(got, prefix)) || !open && got != tt.want {
						t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
					}
					if strings.Contains(got, target.Address) {
						t.Errorf("%s: the reason holds the address: %q", tt.name, got)
					}
				}
				if n := connections.Load(); n < 3 {
					t.Errorf("%s: three questions used %d connections", tt.name, n)
				}
			}
		})
	}
}

func TestAskBoundsItsTime(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	for name, h := range map[string]http.HandlerFunc{
		"no answer": func(http.ResponseWriter, *http.Request) { <-release },
		"no end": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
			<-release
		},
	} {
		for _, scheme := range []string{"http", "h2c", "https"} {
			target, _ := serve(t, scheme, h)
			target.Timeout = 100 * time.Millisecond
			if got := New(target).Ask(t.Context()); !strings.HasSuffix(got, "timeout after 100ms") {
				t.Errorf("%s, %s: %q", scheme, name, got)
			}
		}
	}
}

func TestAskNamesWhatFailed(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := closed.Addr().String()
	closed.Close()
	target := Target{URL: &url.URL{Scheme: "http", Host: address}, Path: "/", Address: address, Timeout: 10 * time.Second}
	if got := New(target).Ask(t.Context()); got != "connect: connection refused" {
		t.Errorf("a closed port: %q", got)
	}

	trusted, _ := serve(t, "https", func(http.ResponseWriter, *http.Request) {})
	trusted.Roots = nil
	if got := New(trusted).Ask(t.Context()); !strings.Contains(got, "certificate") {
		t.Errorf("a certificate of an unknown authority: %q", got)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := New(target).Ask(ctx); got == "" {
		t.Error("a question that was not asked is answered well")
	}
}

// What speaks another language must not be taken for healthy, nor hold up the check.
func TestAskGarbage(t *testing.T) {
	for name, answer := range map[string]string{
		"another protocol": "220 mail.example ESMTP\r\n",
		"a huge head":      "HTTP/1.1 200 OK\r\nX-Pad: " + strings.Repeat("x", 256<<10) + "\r\n\r\n",
		"nothing":          "",
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			if _, err := c.Read(make([]byte, 4096)); err != nil {
				return
			}
			if _, err := c.Write([]byte(answer)); err != nil {
				return // the prober has seen enough
			}
		}()
		target := Target{URL: &url.URL{Scheme: "http", Host: "x"}, Path: "/", Address: l.Addr().String(), Timeout: 10 * time.Second}
		if got := New(target).Ask(t.Context()); got == "" || len(got) > 220 {
			t.Errorf("%s: %q", name, got)
		}
		l.Close()
		<-done
	}
}

func TestNothingIsLeftBehind(t *testing.T) {
	target, _ := serve(t, "h2c", func(http.ResponseWriter, *http.Request) {})
	before := goleak.IgnoreCurrent()
	p := New(target)
	for range 5 {
		if got := p.Ask(t.Context()); got != "" {
			t.Error(got)
		}
	}
	goleak.VerifyNone(t, before, goleak.IgnoreTopFunction("internal/poll.runtime_pollWait"))
}
