package forward

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/gateway/exchange"
	"github.com/gabion-io/gabion/server/gateway/service"
	"github.com/gabion-io/gabion/server/gateway/upstream"
)

// BenchmarkForward measures the step with all policies on, beside a tuned httputil.ReverseProxy with none: both get a
// request in memory and send it over loopback to the same server. Compare the two lines of each case.
func BenchmarkForward(b *testing.B) {
	for _, c := range []struct {
		name, method string
		sends, gets  int
	}{{"GET-200B", "GET", 0, 200}, {"GET-16KiB", "GET", 0, 16 << 10}, {"POST-4KiB", "POST", 4 << 10, 200}} {
		backend := backendOf(b, c.gets)
		b.Run(c.name+"/reverse-proxy", func(b *testing.B) { benchProxy(b, backend, c.method, c.sends) })
		b.Run(c.name+"/forward", func(b *testing.B) { benchForward(b, backend, c.method, c.sends) })
	}
}

// backendOf is a server that costs next to nothing and always answers the same. It returns its URL.
func backendOf(b *testing.B, size int) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	answer := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nServer: bench\r\nContent-Length: %d\r\n\r\n%s", size, answers[:size])
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for r := bufio.NewReaderSize(c, 8<<10); ; {
					length := 0
					for {
						line, err := r.ReadSlice('\n')
						if err != nil {
							return
						}
						if bytes.HasPrefix(line, []byte("Content-Length: 4096")) {
							length = 4096
						}
						if len(line) == 2 {
							break
						}
					}
					if _, err := r.Discard(length); err != nil {
						return
					}
					if _, err := c.Write(answer); err != nil {
						return
					}
				}
			}()
		}
	}()
	b.Cleanup(func() { l.Close() })
	return "http://" + l.Addr().String()
}

var answers = []byte(strings.Repeat("a", 16<<10))

// reportCPU reports the time that the processors worked, which other load on the machine disturbs less than the wall time.
func reportCPU(b *testing.B) func() {
	used := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := used()
	return func() { b.ReportMetric(float64(used()-before)/float64(b.N), "cpu-ns/op") }
}

// fields are what a browser sends, more or less.
func fields() http.Header {
	return http.Header{
		"Accept": {"text/html,application/xhtml+xml,*/*;q=0.8"}, "Accept-Encoding": {"gzip, br"}, "Accept-Language": {"en"},
		"User-Agent": {"Mozilla/5.0 (X11; Linux x86_64) bench"}, "Cookie": {"session=0123456789abcdef"}, "X-Api-Key": {"k"},
	}
}

// sink is a client that takes everything.
type sink struct{ header http.Header }

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }
func (s *sink) Flush()                      {}

type buffers struct{ sync.Pool }

func (p *buffers) Get() []byte  { return *p.Pool.Get().(*[]byte) }
func (p *buffers) Put(b []byte) { p.Pool.Put(&b) }

func benchProxy(b *testing.B, backend string, method string, size int) {
	target, err := url.Parse(backend)
	if err != nil {
		b.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.SetXForwarded()
			r.Out.Host = r.In.Host
		},
		Transport: &http.Transport{
			DialContext:  (&net.Dialer{Timeout: time.Second}).DialContext,
			MaxIdleConns: 1024, MaxIdleConnsPerHost: 1024, DisableCompression: true, ResponseHeaderTimeout: 3 * time.Second,
		},
		BufferPool: &buffers{sync.Pool{New: func() any { p := make([]byte, 32<<10); return &p }}},
	}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	b.SetParallelism(8)
	b.ReportAllocs()
	defer reportCPU(b)()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			r := (&http.Request{
				Method: method, URL: &url.URL{Path: "/product/1", RawQuery: "a=b"}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
				Header: fields(), Host: "shop.example", RemoteAddr: "192.0.2.7:1234", Body: http.NoBody,
			}).WithContext(ctx)
			if size > 0 {
				r.Body, r.ContentLength = io.NopCloser(strings.NewReader(string(answers[:size]))), int64(size)
			}
			proxy.ServeHTTP(&sink{http.Header{}}, r)
		}
	})
}

// taker is the client of a benchmark.
type taker struct{ sink }

func (t *taker) Inform(int, exchange.Header) {}

func (t *taker) Send(a *exchange.Answer) error {
	maps.Copy(t.header, a.Header.(exchange.Fields))
	if a.Body == nil {
		return nil
	}
	defer a.Body.Close()
	buffer := benchBuffers.Get()
	defer benchBuffers.Put(buffer)
	_, err := io.CopyBuffer(&t.sink, struct{ io.Reader }{a.Body}, buffer)
	return err
}

var benchBuffers = &buffers{sync.Pool{New: func() any { p := make([]byte, 32<<10); return &p }}}

func benchForward(b *testing.B, backend string, method string, size int) {
	c := config.Service{Kind: "http", Balance: "least_load", Endpoints: []config.Endpoint{{URL: backend, Weight: 1}}}
	c.Health.Active.Off = true
	c.Timeout.Config.Connect = time.Second
	c.Bulkhead.Config.Concurrency = 1000
	s, err := service.New("catalog", c, service.Options{Events: quiet{}, Transport: func(t service.Target) service.Transport {
		return upstream.New(upstream.Target{URL: t.URL, Address: t.Address, Name: t.Name, Connect: t.Connect})
	}})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	step, err := New(Config{Target: Target{
		Name: "catalog", Service: s, Methods: []string{"GET"}, On: []string{"connect", "reset", "timeout", "502", "503", "504"},
	}})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	peer := netip.MustParseAddr("192.0.2.7")
	b.SetParallelism(8)
	b.ReportAllocs()
	defer reportCPU(b)()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			x := &exchange.Exchange{
				Context: ctx,
				Request: exchange.Request{
					Method: method, Scheme: "http", Host: "shop.example", Path: "/product/1", Target: "/product/1?a=b", Proto: "HTTP/1.1",
					Header: exchange.Fields(fields()), Peer: peer, Client: peer,
				},
				Started: gabion.Now(), RequestID: "0123456789abcdef", TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
				Client: &taker{sink{http.Header{}}},
			}
			if size > 0 {
				x.Request.Body, x.Request.Length = strings.NewReader(string(answers[:size])), int64(size)
			}
			step.Enter(x)
			if x.Record.Err != nil {
				b.Error(x.Record.Err)
			}
		}
	})
}
