package front

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/gabion-io/gabion/server/gateway/exchange"
)

// versions are the ways to ask that a test should hold for.
func versions(t *testing.T, b *bundle) map[string]func(method, path string, body io.Reader, fields ...string) (*http.Response, string, error) {
	one := &http.Client{Transport: &http.Transport{}, Timeout: within}
	t.Cleanup(one.CloseIdleConnections)
	two := client2(t, nil)
	with := func(c *http.Client) func(string, string, io.Reader, ...string) (*http.Response, string, error) {
		return func(method, path string, body io.Reader, fields ...string) (*http.Response, string, error) {
			return do(t, c, method, "http://"+b.address+path, body, fields...)
		}
	}
	return map[string]func(string, string, io.Reader, ...string) (*http.Response, string, error){"HTTP/1.1": with(one), "HTTP/2": with(two)}
}

func TestAnswerAndReply(t *testing.T) {
	b := setup(t, func(x *exchange.Exchange) {
		x.Reply.Set("X-Request-Id", "ours")
		x.Reply.Set("Vary", "Accept")
		x.Reply.Set("RateLimit", "r=1")
		_ = x.Client.Send(answer(201, exchange.Fields{
			"X-Request-Id": {"theirs"}, "Vary": {"Origin"}, "Connection": {"X-Hop, close"}, "X-Hop": {"1"}, "Keep-Alive": {"1"}, "Upgrade": {"h3"},
			"Set-Cookie": {"a=1", "b=2"}, "Transfer-Encoding": {"gzip"}, "Proxy-Authenticate": {"Basic"}, "Content-Length": {"9"},
		}, strings.NewReader("hello"), 5))
	})
	for name, ask := range versions(t, b) {
		r, body, err := ask("GET", "/", nil)
		if err != nil || r.StatusCode != 201 || body != "hello" || r.ContentLength != 5 {
			t.Errorf("%s: %v %q %v", name, r, body, err)
			continue
		}
		for field, want := range map[string][]string{
			"X-Request-Id": {"ours"}, "Vary": {"Origin", "Accept"}, "Ratelimit": {"r=1"}, "Set-Cookie": {"a=1", "b=2"},
			"X-Hop": nil, "Keep-Alive": nil, "Upgrade": nil, "Connection": nil, "Proxy-Authenticate": nil, "Content-Type": nil,
		} {
			if got := r.Header[field]; !slices.Equal(got, want) {
				t.Errorf("%s: %s is %q, want %q", name, field, got, want)
			}
		}
	}
}

func TestBodies(t *testing.T) {
	large := strings.Repeat("0123456789abcdef", 8<<10)
	for name, c := range map[string]struct {
		body   string
		length int64
		reader func(io.Reader) io.Reader
	}{
		"empty": {"", 0, nil}, "small": {"hello", 5, nil}, "large": {large, int64(len(large)), nil},
		"of unknown length": {large, -1, nil}, "empty of unknown length": {"", -1, nil},
		"end with data": {"hello", -1, iotest.DataErrReader}, "in halves": {large, int64(len(large)), iotest.HalfReader},
	} {
		b := setup(t, func(x *exchange.Exchange) {
			body := io.Reader(strings.NewReader(c.body))
			if c.reader != nil {
				body = c.reader(body)
			}
			if err := x.Client.Send(answer(200, nil, body, c.length)); err != nil || x.Record.Status != 200 {
				t.Errorf("%s: %v, status %d", name, err, x.Record.Status)
			}
			if want := int64(len(c.body)); x.Request.Method != "HEAD" && x.Record.Sent != want {
				t.Errorf("%s: sent %d, want %d", name, x.Record.Sent, want)
			}
		})
		for version, ask := range versions(t, b) {
			if r, body, err := ask("GET", "/", nil); err != nil || body != c.body || r.ContentLength != c.length && len(c.body) > 0 {
				t.Errorf("%s, %s: %d bytes, length %v, %v", name, version, len(body), r, err)
			}
			if r, body, err := ask("HEAD", "/", nil); err != nil || body != "" || c.length > 0 && r.ContentLength != c.length {
				t.Errorf("%s, HEAD, %s: %q, %v, %v", name, version, body, r, err)
			}
		}
	}
}

func TestAnswersWithoutABody(t *testing.T) {
	for _, status := range []int{204, 304, 200} {
		b := setup(t, func(x *exchange.Exchange) {
			if err := x.Client.Send(&exchange.Answer{Status: status, Header: exchange.Fields{"Etag": {`"1"`}}}); err != nil {
				t.Errorf("%d: %v", status, err)
			}
		})
		for name, ask := range versions(t, b) {
			if r, body, err := ask("GET", "/", nil); err != nil || r.StatusCode != status || body != "" || r.Header.Get("Etag") == "" {
				t.Errorf("%d, %s: %v %q %v", status, name, r, body, err)
			}
		}
	}
}

func TestProblemToHEADIsItsHead(t *testing.T) {
	b := setup(t, func(x *exchange.Exchange) { _ = x.Refuse(exchange.Problem{Type: exchange.RateLimited}) })
	for name, ask := range versions(t, b) {
		if r, body, err := ask("HEAD", "/", nil); err != nil || r.StatusCode != 429 || body != "" || r.ContentLength <= 0 {
			t.Errorf("%s: %v %q %v", name, r, body, err)
		}
	}
}

func TestTrailers(t *testing.T) {
	b := setup(t, func(x *exchange.Exchange) {
		text, err := io.ReadAll(x.Request.Body)
		if err != nil {
			t.Error(err)
		}
		sum := x.Request.Trailer().Get("X-Sum")
		a := answer(200, nil, bytes.NewReader(text), int64(len(text)))
		a.Trailer = func() exchange.Header { return exchange.Fields{"X-Sum": {sum}, "Grpc-Status": {"0"}} }
		if err := x.Client.Send(a); err != nil {
			t.Error(err)
		}
	})
	for name := range versions(t, b) {
		c := &http.Client{Transport: &http.Transport{}, Timeout: within}
		if name == "HTTP/2" {
			c = client2(t, nil)
		}
		request, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+b.address, struct{ io.Reader }{strings.NewReader("hello")})
		if err != nil {
			t.Fatal(err)
		}
		request.Trailer = http.Header{"X-Sum": {"7"}}
		r, err := c.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		c.CloseIdleConnections()
		if err != nil || string(body) != "hello" || r.Trailer.Get("X-Sum") != "7" || r.Trailer.Get("Grpc-Status") != "0" {
			t.Errorf("%s: %q, trailers %v, %v", name, body, r.Trailer, err)
		}
	}
}

// breaking gives some bytes and then an error.
type breaking struct {
	text string
	err  error
}

func (b *breaking) Read(p []byte) (int, error) {
	if b.text == "" {
		return 0, b.err
	}
	n := copy(p, b.text)
	b.text = b.text[n:]
	return n, nil
}

func TestABrokenAnswerNeverLooksComplete(t *testing.T) {
	broke := errors.New("reset by peer")
	for name, c := range map[string]struct {
		body   *breaking
		length int64
	}{
		"at once":                  {&breaking{"", broke}, 10},
		"with a length":            {&breaking{"hello", broke}, 10},
		"without a length":         {&breaking{"hello", broke}, -1},
		"large":                    {&breaking{strings.Repeat("x", 100<<10), broke}, -1},
		"shorter than announced":   {&breaking{"hello", io.EOF}, 10},
		"longer than announced":    {&breaking{strings.Repeat("x", 50), io.EOF}, 10},
		"ends before it has begun": {&breaking{"", io.ErrUnexpectedEOF}, -1},
	} {
		errs := make(chan error, 1)
		b := setup(t, func(x *exchange.Exchange) {
			body := *c.body
			errs <- x.Client.Send(answer(200, nil, &body, c.length))
		})
		check := func(version string, err error) {
			t.Helper()
			if err == nil {
				t.Errorf("%s, %s: looks complete", name, version)
			}
			if err := await(t, name, errs); !errors.Is(err, exchange.ErrUpstreamBroke) {
				t.Errorf("%s, %s: the gateway was told %v", name, version, err)
			}
		}
		for version, ask := range versions(t, b) {
			_, _, err := ask("POST", "/", nil) // POST is not repeated by the client
			check(version, err)
		}
		old := dial(t, b.address).send("GET / HTTP/1.0\r\n\r\n")
		_, err := io.ReadAll(old)
		check("HTTP/1.0", err)
	}
}

func TestImpossibleAnswersAreTheEndpointsFault(t *testing.T) {
	for _, status := range []int{0, 99, 101, 199, 1000} {
		b := setup(t, func(x *exchange.Exchange) {
			if err := x.Client.Send(answer(status, nil, strings.NewReader(""), 0)); !errors.Is(err, exchange.ErrUpstreamBroke) || x.Record.Status != 502 {
				t.Errorf("%d: %v, recorded %d", status, err, x.Record.Status)
			}
		})
		for name, ask := range versions(t, b) {
			if r, body, err := ask("GET", "/", nil); err != nil || r.StatusCode != 502 || !strings.Contains(body, exchange.UpstreamBroken) {
				t.Errorf("%d, %s: %v %q %v", status, name, r, body, err)
			}
		}
	}
}

func TestInformationComesAheadOfTheAnswer(t *testing.T) {
	b := setup(t, func(x *exchange.Exchange) {
		x.Reply.Set("X-Ours", "1")
		x.Client.Inform(103, exchange.Fields{"Link": {"</a>; rel=preload"}})
		x.Client.Inform(101, exchange.Fields{"X-No": {"1"}})
		_ = x.Client.Send(answer(200, nil, strings.NewReader("hello"), 5))
		x.Client.Inform(103, nil)
	})
	w := dial(t, b.address).send(get)
	if r, _, err := w.read("GET"); err != nil || r.StatusCode != 103 || r.Header.Get("Link") == "" || r.Header.Get("X-Ours") != "" {
		t.Errorf("%v %v", r, err)
	}
	if r, body, err := w.read("GET"); err != nil || r.StatusCode != 200 || body != "hello" || r.Header.Get("Link") != "" || r.Header.Get("X-Ours") == "" {
		t.Errorf("%v %q %v", r, body, err)
	}
	if r, _, err := dial(t, b.address).send("GET / HTTP/1.0\r\n\r\n").read("GET"); err != nil || r.StatusCode != 200 {
		t.Errorf("HTTP/1.0: %v %v", r, err)
	}
}

func TestEventsAreFlushedOneByOne(t *testing.T) {
	for _, stream := range []bool{true, false} {
		b := setup(t, func(x *exchange.Exchange) {
			// An event comes only after the client has confirmed the one before.
			events, from := io.Pipe()
			go func() {
				confirmed := make([]byte, 1)
				for i := range 3 {
					fmt.Fprintf(from, "data: %d\n\n", i)
					if _, err := io.ReadFull(x.Request.Body, confirmed); err != nil {
						t.Error(err)
					}
				}
				from.Close()
			}()
			a := answer(200, exchange.Fields{"Content-Type": {"text/event-stream"}}, events, -1)
			a.Stream = stream
			if err := x.Client.Send(a); err != nil {
				t.Error(err)
			}
		})
		for _, version := range []string{"HTTP/1.1", "HTTP/2"} {
			c := &http.Client{Transport: &http.Transport{}, Timeout: within}
			if version == "HTTP/2" {
				c = client2(t, nil)
			}
			confirm, from := io.Pipe()
			r, err := c.Post("http://"+b.address, "", confirm)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 3 {
				event := make([]byte, len("data: 0\n\n"))
				if _, err := io.ReadFull(r.Body, event); err != nil || string(event) != fmt.Sprintf("data: %d\n\n", i) {
					t.Errorf("%s: %q %v", version, event, err)
				}
				if _, err := from.Write([]byte("x")); err != nil {
					t.Error(err)
				}
			}
			from.Close()
			if rest, err := io.ReadAll(r.Body); err != nil || len(rest) > 0 {
				t.Errorf("%s: then %q %v", version, rest, err)
			}
			r.Body.Close()
			c.CloseIdleConnections()
		}
	}
}

func TestPanics(t *testing.T) {
	b := setup(t, func(x *exchange.Exchange) {
		if x.Request.Path == "/late" {
			_ = x.Client.Send(answer(200, nil, &panicking{}, -1))
		}
		panic("early")
	})
	for name, ask := range versions(t, b) {
		if r, body, err := ask("GET", "/", nil); err != nil || r.StatusCode != 500 || !strings.Contains(body, exchange.InternalError) || strings.Contains(body, "early") {
			t.Errorf("%s: %v %q %v", name, r, body, err)
		}
		if _, _, err := ask("POST", "/late", nil); err == nil {
			t.Errorf("%s: looks complete", name)
		}
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if log := b.log.String(); !strings.Contains(log, "early") || !strings.Contains(log, "late") || !strings.Contains(log, "answer_test.go") {
		t.Errorf("the log has %q", log)
	}
}

type panicking struct{ asked bool }

func (p *panicking) Read(b []byte) (int, error) {
	if p.asked {
		panic("late")
	}
	p.asked = true
	return copy(b, "hello"), nil
}

func TestWhatNobodyAnswersIsCut(t *testing.T) {
	b := setup(t, func(*exchange.Exchange) {})
	for name, ask := range versions(t, b) {
		if r, _, err := ask("POST", "/", nil); err == nil {
			t.Errorf("%s: got %v", name, r)
		}
	}
}

func TestClientGoesAway(t *testing.T) {
	gone, sent := make(chan struct{}, 1), make(chan error, 1)
	b := setup(t, func(x *exchange.Exchange) {
		<-x.Context.Done()
		gone <- struct{}{}
		sent <- x.Client.Send(answer(200, nil, forever{}, -1))
	})
	dial(t, b.address).send(get).Close()
	await(t, "the context ends", gone)
	if err := await(t, "sending ends", sent); !errors.Is(err, exchange.ErrClientGone) {
		t.Errorf("%v", err)
	}
}

// forever is a body without end.
type forever struct{}

func (forever) Read(p []byte) (int, error) { return len(p), nil }
