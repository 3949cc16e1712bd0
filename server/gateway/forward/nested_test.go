package forward

import (
	"io"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/gateway/exchange"
)

// attempt says which try a request is.
func attempt(x *exchange.Exchange, number string) *exchange.Exchange {
	x.Request.Header.Set("X-Gabion-Attempt", number)
	return x
}

// TestRetriesOfOthersAreNotRetried: one layer retries, and the others leave it alone.
func TestRetriesOfOthersAreNotRetried(t *testing.T) {
	var last atomic.Value
	fails := func(gaveUp bool) *endpoint {
		return serve(t, func(w http.ResponseWriter, r *http.Request) {
			last.Store(r.Header.Get("X-Gabion-Attempt"))
			if gaveUp {
				w.Header().Set("X-Gabion-Gave-Up", "true")
			}
			w.WriteHeader(503)
		})
	}
	tests := map[string]struct {
		number   string // of the request
		gaveUp   bool   // of the answer
		attempts int
		last     string // what the endpoint was told last
		told     string // what the client is told
	}{
		"nobody else retries":    {"", false, 3, "3", ""},
		"the first try":          {"1", false, 3, "3", "true"},
		"a retry":                {"2", false, 1, "2", "true"},
		"the fourth":             {"4", false, 1, "4", "true"},
		"nonsense":               {"-4", false, 3, "3", "true"},
		"much":                   {"4000000", false, 3, "3", "true"},
		"further in, for all":    {"", true, 1, "1", ""},
		"further in and out":     {"1", true, 1, "1", "true"},
		"further in, of a third": {"3", true, 1, "3", "true"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			e := fails(test.gaveUp)
			x := newExchange(t, "GET")
			if test.number != "" {
				attempt(x, test.number)
			}
			g := run(t, forwardTo(t, []*endpoint{e}), x)
			if g.status != 503 || x.Record.Attempts != test.attempts || last.Load() != test.last {
				t.Errorf("%d after %d attempts, the last of which was %v", g.status, x.Record.Attempts, last.Load())
			}
			if got := x.Reply.Get("X-Gabion-Gave-Up"); got != test.told || g.header.Get("X-Gabion-Gave-Up") != "" {
				t.Errorf("the client is told %q, and by the endpoint %q", got, g.header.Get("X-Gabion-Gave-Up"))
			}
		})
	}
}

// TestWhoDoesNotRetrySaysNothing, nor does who is answered well.
func TestWhoDoesNotRetrySaysNothing(t *testing.T) {
	for name, s := range map[string]exchange.Step{
		"without retries": forwardTo(t, []*endpoint{says(t, 503)}, noRetry),
		"all is well":     forwardTo(t, []*endpoint{good(t)}),
	} {
		x := attempt(newExchange(t, "GET"), "1")
		if g := run(t, s, x); x.Reply.Get("X-Gabion-Gave-Up") != "" {
			t.Errorf("%s: %d and gave up", name, g.status)
		}
	}
}

// TestQueueKnowsWhoWaits: the queue of the bulkhead is fair among identities, and refuses at once what would be too late.
func TestQueueKnowsWhoWaits(t *testing.T) {
	enter, leave := make(chan struct{}, 10), make(chan struct{})
	e := serve(t, func(w http.ResponseWriter, r *http.Request) {
		enter <- struct{}{}
		<-leave
		io.WriteString(w, r.Header.Get("X-Who"))
	})
	s := serviceOf(t, []*endpoint{e}, noRetry, func(c *config.Service) {
		c.Bulkhead.Off = false
		c.Bulkhead.Config.Concurrency, c.Bulkhead.Config.Queue, c.Bulkhead.Config.Wait = 1, 2, long
	})
	step := stepOf(t, Config{Target: targetOf(s)})
	results := make(chan string, 10)
	send := func(who string) {
		x := newExchange(t, "GET")
		x.Identity = who
		x.Request.Header.Set("X-Who", who)
		go func() {
			if g := run(t, step, x); g.status == 200 {
				results <- g.body
			} else {
				results <- "no " + who
			}
		}()
	}
	send("loud")
	<-enter
	for want := 1; want <= 2; want++ {
		send("loud")
		for s.Bulkhead().Snapshot().Queued < want {
		}
	}
	send("quiet") // takes the room of the second of them
	if first := <-results; first != "no loud" {
		t.Errorf("first: %s", first)
	}
	close(leave)
	seen := map[string]int{}
	for range 3 {
		seen[<-results]++
	}
	if seen["loud"] != 2 || seen["quiet"] != 1 {
		t.Errorf("%v", seen)
	}
}
