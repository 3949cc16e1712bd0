package forward

import (
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/gateway/exchange"
)

func TestTimeouts(t *testing.T) {
	tests := []struct {
		name     string
		settings []setting
		route    time.Duration
		kind     string
	}{
		{"attempt", []setting{attemptTimeout(short), noRetry}, 0, exchange.UpstreamTimeout},
		{"all attempts", []setting{attemptTimeout(short)}, 0, exchange.UpstreamTimeout},
		{"total", []setting{totalTimeout(short)}, 0, exchange.DeadlineExceeded},
		{"route", nil, short, exchange.DeadlineExceeded},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := stepOf(t, Config{Target: targetOf(serviceOf(t, []*endpoint{hangs(t)}, test.settings...)), Timeout: test.route})
			x := newExchange(t, "GET")
			run(t, s, x).wantProblem(t, test.kind, 504)
			if took := gabion.Now() - x.Started; took < short || took > long/2 {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// TestClientDeadline: a client can shorten its own deadline, and nothing else: what it is too impatient for does not
// count against the endpoint.
func TestClientDeadline(t *testing.T) {
	for _, field := range [][2]string{{"X-Gabion-Timeout-Ms", "50"}, {"Grpc-Timeout", "50m"}} {
		e := hangs(t)
		s := serviceOf(t, []*endpoint{e}, breakers, func(c *config.Service) { c.Breaker.Config.Consecutive = 1 })
		step := stepOf(t, Config{Target: targetOf(s)})
		for range 3 {
			x := newExchange(t, "GET")
			x.Request.Header.Set(field[0], field[1])
			if field[0] == "Grpc-Timeout" {
				x.Request.Header.Set("Content-Type", "application/grpc")
			}
			if g := run(t, step, x); x.Record.Problem != exchange.DeadlineExceeded {
				t.Errorf("%s: got %d %q (%v)", field[0], g.status, x.Record.Problem, x.Record.Err)
			}
			if took := gabion.Now() - x.Started; took < 50*time.Millisecond || took > long/2 {
				t.Errorf("%s: it took %v", field[0], took)
			}
		}
		if n := e.count.Load(); n != 3 {
			t.Errorf("%s: 3 requests made %d attempts", field[0], n)
		}
		if state := s.Breaker().State().String(); state != "closed" {
			t.Errorf("%s: the breaker is %s", field[0], state)
		}
	}
	// And it cannot lengthen it.
	x := newExchange(t, "GET")
	x.Request.Header.Set("X-Gabion-Timeout-Ms", "3600000")
	run(t, forwardTo(t, []*endpoint{hangs(t)}, totalTimeout(short)), x).wantProblem(t, exchange.DeadlineExceeded, 504)
}

// TestDeadlineIsTold: the endpoint hears what is left, but for streams only what the client has set.
func TestDeadlineIsTold(t *testing.T) {
	e := serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.Header.Get("X-Gabion-Timeout-Ms")+"|"+r.Header.Get("Grpc-Timeout"))
	})
	s := forwardTo(t, []*endpoint{e}, totalTimeout(9*time.Second))
	x := newExchange(t, "GET")
	told, _, _ := strings.Cut(run(t, s, x).body, "|")
	if ms, err := strconv.Atoi(told); err != nil || ms < 5000 || ms > 9000 {
		t.Errorf("of 9 s, the endpoint was told %q ms", told)
	}
	x = newExchange(t, "GET")
	x.Request.Header.Set("Accept", "text/event-stream")
	if g := run(t, s, x); g.body != "|" {
		t.Errorf("for a stream the endpoint was told %q", g.body)
	}
	x = newExchange(t, "POST")
	x.Request.Header.Set("Content-Type", "application/grpc")
	if g := run(t, s, x); g.body != "|" {
		t.Errorf("for gRPC without a timeout the endpoint was told %q", g.body)
	}
	x.Request.Header.Set("Grpc-Timeout", "8S")
	x = &exchange.Exchange{Context: x.Context, Request: x.Request, Reply: x.Reply, Started: gabion.Now()}
	x.Client = &client{x: x}
	if g := run(t, s, x); !strings.HasPrefix(g.body, "7") || !strings.HasSuffix(g.body, "u") {
		t.Errorf("for gRPC with a timeout of 8 s the endpoint was told %q", g.body)
	}
}

// TestBodyIsBounded: the total covers the body, but not that of a stream.
func TestBodyIsBounded(t *testing.T) {
	tests := []struct {
		name, contentType string
		ends              bool // in time
	}{{"download", "application/zip", false}, {"events", "text/event-stream", true}, {"gRPC", "application/grpc", true}}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", test.contentType)
				for range 4 {
					io.WriteString(w, "part")
					http.NewResponseController(w).Flush()
					select {
					case <-time.After(2 * short):
					case <-r.Context().Done():
					}
				}
			})
			g := run(t, forwardTo(t, []*endpoint{e}, totalTimeout(5*short), noRetry), newExchange(t, "GET"))
			if complete := g.err == nil && g.body == "partpartpartpart"; complete != test.ends {
				t.Errorf("got %q, %v", g.body, g.err)
			}
		})
	}
}

func TestClientGone(t *testing.T) {
	arrived := make(chan bool, 1)
	e := raw(t, func(c net.Conn) { arrived <- true; io.Copy(io.Discard, c) })
	s := serviceOf(t, []*endpoint{e}, breakers, func(c *config.Service) { c.Breaker.Config.Consecutive = 1 })
	x := newExchange(t, "GET")
	ctx, leave := context.WithCancel(t.Context())
	x.Context = ctx
	go func() {
		<-arrived
		leave()
	}()
	g := run(t, stepOf(t, Config{Target: targetOf(s)}), x)
	if x.Client.(*client).calls != 0 || g.x.Record.Status != 0 || g.x.Record.Err == nil {
		t.Errorf("an answer was sent to nobody, status %d, error %v", g.x.Record.Status, g.x.Record.Err)
	}
	if state := s.Breaker().State().String(); state != "closed" {
		t.Errorf("the breaker is %s", state)
	}
}

func TestParseGRPCTimeout(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1n": 1, "250u": 250 * time.Microsecond, "1500m": 1500 * time.Millisecond, "7S": 7 * time.Second, "2M": 2 * time.Minute,
		"24H": 24 * time.Hour, "00000001m": time.Millisecond, "0n": 0,
	} {
		if got, ok := parseGRPCTimeout(text); !ok || got != want {
			t.Errorf("%q is %v, %v, must be %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "m", "1", "1s", "-1m", "+1m", "1_0m", "123456789m", "25H", "99999999H", " 1m", "1m ", "1.5S", "0x1m"} {
		if got, ok := parseGRPCTimeout(text); ok {
			t.Errorf("%q was taken for %v", text, got)
		}
	}
}

func FuzzParseGRPCTimeout(f *testing.F) {
	f.Add("1500m")
	f.Add("99999999H")
	f.Fuzz(func(t *testing.T, text string) {
		d, ok := parseGRPCTimeout(text)
		if d < 0 || d > maxTimeout || !ok && d != 0 || ok && (len(text) < 2 || len(text) > 9) {
			t.Errorf("%q is %v, %v", text, d, ok)
		}
	})
}
