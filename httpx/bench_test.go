package httpx_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/bulkhead"
	"github.com/gabion-io/gabion/httpx"
)

// sink is a writer that costs nothing.
type sink struct{ header http.Header }

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }
func (s *sink) WriteHeader(int)             {}

func fullHouse(b *testing.B) http.HandlerFunc {
	b.Helper()
	full, err := bulkhead.New(bulkhead.Config{Concurrency: 1})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := full.Acquire(b.Context(), gabion.Now()); err != nil {
		b.Fatal(err)
	}
	return handler(b, httpx.HandlerConfig{
		Pipe:     pipeOf(b, gabion.Config{}, full),
		Priority: func(*http.Request) gabion.Priority { return gabion.Sheddable },
		Tenant:   func(*http.Request) string { return "alice" },
	}, says(200, ""))
}

// What a refusal costs in the handler: it must stay below 10 µs.
func BenchmarkRefuse(b *testing.B) {
	h := fullHouse(b)
	req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("body"))
	req.Header.Set(httpx.HeaderTimeout, "1000")
	w := &sink{http.Header{}}
	b.ReportAllocs()
	before := cpu(b)
	for b.Loop() {
		clear(w.header)
		h(w, req)
	}
	b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
}

// What a request costs that is admitted, besides its handler.
func BenchmarkAdmit(b *testing.B) {
	free, err := bulkhead.New(bulkhead.Config{})
	if err != nil {
		b.Fatal(err)
	}
	h := guarded(b, func(http.ResponseWriter, *http.Request) {}, free)
	req := httptest.NewRequest(http.MethodGet, "/", nil)
	w := &sink{http.Header{}}
	b.ReportAllocs()
	before := cpu(b)
	for b.Loop() {
		h(w, req)
	}
	b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
}

// CPU of a request over a connection, kernel and all: what refusing adds to the least that a handler can do to refuse.
func BenchmarkOverTCP(b *testing.B) {
	for name, h := range map[string]http.HandlerFunc{
		"refused":    fullHouse(b),
		"http.Error": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "full", http.StatusServiceUnavailable) },
	} {
		b.Run(name, func(b *testing.B) {
			conn, err := net.Dial("tcp", strings.TrimPrefix(serve(b, h).URL, "http://"))
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close()
			// All answers are of the same length, so that the client has nothing to parse.
			answer := make([]byte, 4096)
			ask := func(bytes []byte, least int) (n int) {
				if _, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nX-Gabion-Timeout-Ms: 1000\r\n\r\n"); err == nil {
					n, err = io.ReadAtLeast(conn, bytes, least)
				}
				if err != nil {
					b.Fatal(err)
				}
				return n
			}
			answer = answer[:ask(answer, 100)]
			before := cpu(b)
			for b.Loop() {
				ask(answer, len(answer))
			}
			b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
		})
	}
}

func cpu(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// What the Transport adds to a request, without a network.
func BenchmarkTransport(b *testing.B) {
	base := tripper(func(req *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: req}, nil
	})
	transport, err := httpx.NewTransport(httpx.TransportConfig{Base: base})
	if err != nil {
		b.Fatal(err)
	}
	req := httptest.NewRequest(http.MethodGet, "http://service.test/", nil)
	b.ReportAllocs()
	before := cpu(b)
	for b.Loop() {
		resp, err := transport.RoundTrip(req)
		if err != nil {
			b.Fatal(err)
		}
		resp.Body.Close()
	}
	b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
}
