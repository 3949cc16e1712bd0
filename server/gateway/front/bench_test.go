package front

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gabion-io/gabion/server/gateway/exchange"
)

const typical = "GET /catalog/items/4711?full=1 HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: bench/1.0\r\nAccept: */*\r\n" +
	"Accept-Encoding: gzip\r\nX-Api-Key: 0123456789abcdef\r\nTraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n"

const typicalPost = "POST /orders HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: bench/1.0\r\nAccept: */*\r\nContent-Length: 100\r\n\r\n"

// BenchmarkRequest compares the front, with a fixed answer, to a bare handler of net/http, as CPU per request of the
// whole process: the client's part is the same on both sides.
func BenchmarkRequest(b *testing.B) {
	body := strings.Repeat("x", 200)
	post := typicalPost + strings.Repeat("y", 100)
	for name, request := range map[string]string{"GET": typical, "POST": post} {
		b.Run(name+"/bare", func(b *testing.B) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			server := &http.Server{ReadHeaderTimeout: within, IdleTimeout: within, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // a client that goes away is seen by the client
				w.Header()["Content-Type"] = []string{"text/plain"}
				w.Header()["Content-Length"] = []string{"200"}
				_, _ = io.WriteString(w, body) // as above
			})}
			go server.Serve(l)
			defer server.Close()
			run(b, l.Addr().String(), request)
		})
		b.Run(name+"/front", func(b *testing.B) {
			fixed, err := exchange.NewFixed(200, map[string]string{"Content-Type": "text/plain"}, nil, body)
			if err != nil {
				b.Fatal(err)
			}
			f := setup(b, func(x *exchange.Exchange) {
				if x.Request.Body != nil {
					_, _ = io.Copy(io.Discard, x.Request.Body) // as above
				}
				_ = x.Client.Send(fixed.Answer(x)) // as above
			})
			run(b, f.address, request)
		})
	}
}

func run(b *testing.B, address, request string) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	text := []byte(request)
	b.ReportAllocs()
	start := processTime(b)
	for b.Loop() {
		if _, err := conn.Write(text); err != nil {
			b.Fatal(err)
		}
		for {
			line, err := in.ReadSlice('\n')
			if err != nil {
				b.Fatal(err)
			}
			if len(line) == 2 {
				break
			}
		}
		if _, err := in.Discard(200); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((processTime(b)-start).Nanoseconds())/float64(b.N), "cpu-ns/op")
}

// processTime is the CPU time that the process has used.
func processTime(b *testing.B) time.Duration {
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		b.Fatal(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}
