package framing

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion/server/gateway/exchange"
)

var limits = Limits{MaxHead: 1 << 10, Patience: 10 * time.Second, Rate: 100}

// wire is a connection with a script for what comes in.
type wire struct {
	net.Conn
	in  io.Reader
	out bytes.Buffer
}

func (w *wire) Read(p []byte) (int, error)       { return w.in.Read(p) }
func (w *wire) Write(p []byte) (int, error)      { return w.out.Write(p) }
func (*wire) Close() error                       { return nil }
func (*wire) SetDeadline(time.Time) error        { return nil }
func (*wire) SetReadDeadline(time.Time) error    { return nil }
func (*wire) SetWriteDeadline(t time.Time) error { return nil }

// requests reads all requests as net/http does, and what they end with.
func requests(t *testing.T, c *Conn) (paths []string, last error) {
	t.Helper()
	r := bufio.NewReader(c)
	for {
		request, err := http.ReadRequest(r)
		if err != nil {
			return paths, err
		}
		if _, err := io.Copy(io.Discard, request.Body); err != nil {
			return paths, err
		}
		if r.Buffered() > 0 || c.scan.part != firstLine {
			t.Fatalf("after %s the border is not where net/http sees it: %d bytes more, part %d", request.RequestURI, r.Buffered(), c.scan.part)
		}
		paths = append(paths, request.RequestURI)
	}
}

// ways are ways for bytes to come in.
var ways = map[string]func(io.Reader) io.Reader{
	"at once":         func(r io.Reader) io.Reader { return r },
	"byte by byte":    iotest.OneByteReader,
	"end with data":   iotest.DataErrReader,
	"in halves":       iotest.HalfReader,
	"in small pieces": func(r io.Reader) io.Reader { return pieces{r} },
}

type pieces struct{ io.Reader }

func (p pieces) Read(b []byte) (int, error) { return p.Reader.Read(b[:min(len(b), 7)]) }

func TestMessagesAreKeptApart(t *testing.T) {
	const text = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n" +
		"POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n\r\n\r\n1" +
		"POST /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\nTrailer: X\r\n\r\n" +
		"3;name=value\r\nabc\r\n0A \r\n0123456789\r\n0\r\nX: 1\r\n\r\n" +
		"POST /4 HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n" +
		"PUT /5 HTTP/1.1\r\nHost: a\r\nTRANSFER-ENCODING: chunked\r\n\r\n0\r\n\r\n" +
		"GET http://a/6 HTTP/1.1\r\nHost: A\r\n\r\n" +
		"GET /7 HTTP/1.0\r\n\r\n"
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			c := New(&wire{in: way(strings.NewReader(text))}, limits)
			paths, err := requests(t, c)
			if got := strings.Join(paths, " "); got != "/1 /2 /3 /4 /5 http://a/6 /7" || !errors.Is(err, io.EOF) {
				t.Errorf("%s, %v", got, err)
			}
		})
	}
}

func TestDoubtfulHeadsAreRefused(t *testing.T) {
	const post = "POST / HTTP/1.1\r\nHost: a\r\n"
	for name, c := range map[string]struct{ text, kind, why string }{
		"line without CR":            {"GET / HTTP/1.1\nHost: a\r\n\r\n", exchange.BadRequest, lineEnd},
		"field without CR":           {"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", exchange.BadRequest, lineEnd},
		"end without CR":             {"GET / HTTP/1.1\r\nHost: a\r\n\n", exchange.BadRequest, lineEnd},
		"folded with a space":        {"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n", exchange.BadRequest, folded},
		"folded with a tab":          {"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\tz\r\n\r\n", exchange.BadRequest, folded},
		"folded first field":         {"GET / HTTP/1.1\r\n Host: a\r\n\r\n", exchange.BadRequest, folded},
		"length and coding":          {post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", exchange.BadRequest, bothLengths},
		"coding and length":          {post + "transfer-encoding: chunked\r\ncontent-length: 0\r\n\r\n0\r\n\r\n", exchange.BadRequest, bothLengths},
		"two lengths":                {post + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", exchange.BadRequest, twoLengths},
		"two equal lengths":          {post + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", exchange.BadRequest, twoLengths},
		"list of lengths":            {post + "Content-Length: 5, 5\r\n\r\nhello", exchange.BadRequest, noLength},
		"length with a sign":         {post + "Content-Length: +5\r\n\r\nhello", exchange.BadRequest, noLength},
		"empty length":               {post + "Content-Length:\r\n\r\nhello", exchange.BadRequest, noLength},
		"enormous length":            {post + "Content-Length: 99999999999999999999\r\n\r\n", exchange.BadRequest, noLength},
		"other coding":               {post + "Transfer-Encoding: gzip\r\n\r\n", exchange.BadRequest, otherCoding},
		"list of codings":            {post + "Transfer-Encoding: gzip, chunked\r\n\r\n", exchange.BadRequest, otherCoding},
		"two codings":                {post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", exchange.BadRequest, otherCoding},
		"disguised coding":           {post + "Transfer-Encoding: \x0bchunked\r\n\r\n", exchange.BadRequest, otherCoding},
		"coding in HTTP/1.0":         {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", exchange.BadRequest, oldCoding},
		"no request":                 {"hello\r\n\r\n", exchange.BadRequest, noRequest},
		"no version":                 {"GET /\r\n\r\n", exchange.BadRequest, noRequest},
		"another version":            {"GET / HTTP/1.2\r\nHost: a\r\n\r\n", exchange.Version, otherVersion},
		"another host in the target": {"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", exchange.BadRequest, otherHost},
		"user in the target":         {"GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", exchange.BadRequest, otherHost},
		"large head":                 {"GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 1<<10) + "\r\n\r\n", exchange.HeaderTooLarge, ""},
		"endless line":               {"GET /" + strings.Repeat("x", 1<<12), exchange.HeaderTooLarge, ""},
		"many fields":                {"GET / HTTP/1.1\r\n" + strings.Repeat("X: y\r\n", 1<<10) + "\r\n", exchange.HeaderTooLarge, ""},
	} {
		for way, through := range ways {
			conn := New(&wire{in: through(strings.NewReader("GET /good HTTP/1.1\r\nHost: a\r\n\r\n" + c.text))}, limits)
			paths, err := requests(t, conn)
			p := conn.refused.Load()
			if len(paths) != 1 || err == nil || p == nil {
				t.Errorf("%s, %s: requests %q, then %.100v", name, way, paths, err)
				continue
			}
			if p.Type != c.kind || c.why != "" && p.Detail != c.why {
				t.Errorf("%s, %s: refused with %+v", name, way, p)
			}
		}
	}
}

func TestBrokenChunksEndTheScan(t *testing.T) {
	for name, body := range map[string]string{
		"no number": "xyz\r\n", "sign": "-5\r\nhello\r\n", "too large": "fffffffffffffffff\r\n", "empty": "\r\n",
		"no end": "5\r\nhelloworld\r\n", "bare LF": "5\nhello\r\n0\r\n\r\n", "blank first": " 5\r\nhello\r\n",
		"prefix": "0x5\r\nhello\r\n", "bare LF in trailers": "0\r\nX: y\n\r\n", "endless extension": "5;" + strings.Repeat("x", 1<<12),
		"endless trailer": "0\r\nX: " + strings.Repeat("y", 1<<12),
	} {
		c := New(&wire{in: strings.NewReader("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + body + "GET /smuggled HTTP/1.1\r\n\r\n")}, limits)
		paths, err := requests(t, c)
		if len(paths) > 0 || err == nil || !errors.Is(c.Fault(), exchange.ErrBodyBroken) {
			t.Errorf("%s: %q, %v, fault %v", name, paths, err, c.Fault())
		}
	}
}

func TestHTTP2IsLeftAlone(t *testing.T) {
	const text = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00\n\n\nanything"
	for name, way := range ways {
		c := New(&wire{in: way(strings.NewReader(text))}, limits)
		if got, err := io.ReadAll(c); string(got) != text || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	c := New(&wire{in: strings.NewReader(text)}, limits)
	c.scan.h2c = false
	if _, err := io.ReadAll(c); !errors.Is(err, errRefused) || c.refused.Load().Type != exchange.Version {
		t.Errorf("where it is not spoken: %v", err)
	}
}

func TestErrorsOfTheServerBecomeProblems(t *testing.T) {
	for text, want := range map[string]string{
		"HTTP/1.1 400 Bad Request\r\n\r\n":                     "HTTP/1.1 400 Bad Request\r\n",
		"HTTP/1.1 417 Expectation Failed\r\n\r\n":              "HTTP/1.1 417 Expectation Failed\r\n",
		"HTTP/1.1 431 Request Header Fields Too Large\r\n\r\n": "HTTP/1.1 431 Request Header Fields Too Large\r\n",
		"HTTP/1.1 501 Not Implemented\r\n\r\n":                 "HTTP/1.1 400 Bad Request\r\n",
		"HTTP/1.1 505 HTTP Version Not Supported\r\n\r\n":      "HTTP/1.1 505 HTTP Version Not Supported\r\n",
		"?": "HTTP/1.1 400 Bad Request\r\n",
	} {
		w := &wire{in: strings.NewReader("")}
		c := New(w, limits)
		if n, err := c.Write([]byte(text)); n != len(text) || err != nil {
			t.Errorf("%q: %d, %v", text, n, err)
		}
		if got := w.out.String(); !strings.HasPrefix(got, want) || !strings.Contains(got, `{"type":"urn:gabion:problem:`) || !strings.Contains(got, "\r\nConnection: close\r\n") {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func TestAnswersGoThroughAsTheyAre(t *testing.T) {
	w := &wire{in: strings.NewReader("")}
	c := New(w, limits)
	c.Begin()
	const text = "HTTP/1.1 400 Bad Request\r\n\r\n"
	if _, err := c.Write([]byte(text)); err != nil || w.out.String() != text {
		t.Errorf("%q, %v", w.out.String(), err)
	}
	c.End()
	if _, err := c.Write([]byte(text)); err != nil || !strings.Contains(w.out.String(), "urn:gabion") {
		t.Errorf("after End: %q, %v", w.out.String(), err)
	}
}

func TestDetachGivesWhatWasRead(t *testing.T) {
	c := New(&wire{in: strings.NewReader("GET / HTTP/1.1\r\nHost: a\r\n\r\nfirst\n")}, limits)
	buffer := make([]byte, 4<<10)
	n, err := c.Read(buffer)
	if err != nil || !strings.HasSuffix(string(buffer[:n]), "\r\n\r\n") {
		t.Fatalf("%q, %v", buffer[:n], err)
	}
	if read, _ := c.Detach(); string(read) != "first\n" {
		t.Errorf("read already: %q", read)
	}
}

// pair is a watched connection and the client's end of it. It works in a bubble of synctest.
func pair(t *testing.T) (*Conn, net.Conn) {
	t.Helper()
	client, server := net.Pipe()
	t.Cleanup(func() { client.Close(); server.Close() })
	return New(server, limits), client
}

func TestSlowHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, client := pair(t)
		if err := c.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		go client.Write([]byte("GET / HT"))
		buffer := make([]byte, 100)
		if n, err := c.Read(buffer); n != 8 || err != nil {
			t.Fatal(n, err)
		}
		if _, err := c.Read(buffer); !errors.Is(err, errRefused) || c.refused.Load().Type != exchange.RequestTimeout {
			t.Errorf("%v, %+v", err, c.refused.Load())
		}
	})
}

func TestIdleConnectionIsNotAskedWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := pair(t)
		if err := c.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 100)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%v", err)
		}
	})
}

func slow(c *Conn) bool { return errors.Is(c.Fault(), exchange.ErrBodySlow) }

const slowHead = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"

func TestBodyThatStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, client := pair(t)
		go client.Write([]byte(slowHead))
		start := time.Now()
		_, err := io.Copy(io.Discard, c)
		if took := time.Since(start); !errors.Is(err, os.ErrDeadlineExceeded) || !slow(c) || took != limits.Patience {
			t.Errorf("%v after %v", err, took)
		}
	})
}

// drip sends a head, and then the same bytes again and again until stop is called.
func drip(to net.Conn, bytes string, every time.Duration) (stop func()) {
	var sender sync.WaitGroup
	sender.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for text := slowHead; ; text = bytes {
			if _, err := to.Write([]byte(text)); err != nil {
				return
			}
			<-tick.C
		}
	})
	return func() {
		to.Close()
		sender.Wait()
	}
}

func TestBodyThatTrickles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, client := pair(t)
		stop := drip(client, "x", time.Second)
		start := time.Now()
		_, err := io.Copy(io.Discard, c)
		// A byte a second is never silent for long, but far below the rate.
		if took := time.Since(start); !errors.Is(err, os.ErrDeadlineExceeded) || !slow(c) || took < limits.Patience || took > 2*limits.Patience {
			t.Errorf("%v after %v", err, took)
		}
		stop()
	})
}

func TestBodyThatIsFastEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, client := pair(t)
		stop := drip(client, strings.Repeat("x", 1000), 5*time.Second)
		if n, err := io.CopyN(io.Discard, c, int64(len(slowHead))+100000); err != nil {
			t.Errorf("%d, %v", n, err)
		}
		// The message has ended: waiting for the next one is not the body's business.
		if c.since != 0 {
			t.Error("the deadline of the body is still there")
		}
		stop()
	})
}

func TestRestOfABodyThatNobodyWants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, client := pair(t)
		stop := drip(client, strings.Repeat("x", 1000), time.Second)
		if _, err := io.CopyN(io.Discard, c, 1500); err != nil {
			t.Fatal(err)
		}
		c.Hurry()
		start := time.Now()
		if _, err := io.Copy(io.Discard, c); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) > unwanted {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		stop()
	})
}

func TestInterruptEndsAReadAndIsNotSlowness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, client := pair(t)
		go client.Write([]byte(slowHead))
		done := make(chan error)
		go func() {
			_, err := io.Copy(io.Discard, c)
			done <- err
		}()
		synctest.Wait()
		if err := c.SetReadDeadline(time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
		if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) || slow(c) {
			t.Errorf("%v, slow: %v", err, slow(c))
		}
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the next one: %v", err)
		}
	})
}

func TestReaderThatStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := pair(t)
		c.Begin()
		if err := c.SetWriteDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if _, err := c.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != limits.Patience {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

// FuzzBorders compares where a message ends for us and for net/http: they must never differ.
func FuzzBorders(f *testing.F) {
	f.Add("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n", uint8(3))
	f.Add("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.0\r\n\r\n", uint8(1))
	f.Add("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\nA: b\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", uint8(5))
	f.Add("POST http://a/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\nContent-Length : 3\r\n\r\nabc", uint8(200))
	f.Fuzz(func(t *testing.T, text string, size uint8) {
		in := io.Reader(strings.NewReader(text))
		if size > 0 {
			in = sized{in, int(size)}
		}
		c := New(&wire{in: in}, limits)
		requests(t, c)
	})
}

type sized struct {
	io.Reader
	n int
}

func (s sized) Read(b []byte) (int, error) { return s.Reader.Read(b[:min(len(b), s.n)]) }

func BenchmarkRead(b *testing.B) {
	text := []byte("GET /catalog/items/4711?full=1 HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: bench\r\nAccept: */*\r\nAccept-Encoding: gzip\r\n" +
		"X-Api-Key: 0123456789abcdef\r\nTraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n")
	in := bytes.NewReader(text)
	c := New(&wire{in: in}, Limits{MaxHead: 64 << 10, Patience: time.Second, Rate: 100})
	buffer := make([]byte, 4<<10)
	b.ReportAllocs()
	for b.Loop() {
		in.Reset(text)
		if n, err := c.Read(buffer); n != len(text) || err != nil {
			b.Fatal(n, err)
		}
	}
}
