package forward

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/shed"
)

// sheds works on so many requests at once.
func sheds(concurrency int) setting {
	return func(c *config.Service) {
		c.Shed.Off = false
		c.Shed.Config = shed.Config{Mode: shed.ModePool, Concurrency: concurrency, Deadline: long}
	}
}

// TestWhatMattersMostIsServedFirst: of those that wait, the critical one is next, and a sheddable one makes room. Without
// the shedder all of them are at the endpoint at once.
func TestWhatMattersMostIsServedFirst(t *testing.T) {
	at, leave := make(chan string, 10), make(chan struct{})
	e := serve(t, func(w http.ResponseWriter, r *http.Request) {
		at <- r.Header.Get("X-Who")
		<-leave
		io.WriteString(w, "ok")
	})
	s := serviceOf(t, []*endpoint{e}, noRetry, sheds(1))
	results := make(chan got, 10)
	send := func(p gabion.Priority) {
		step := stepOf(t, Config{Target: targetOf(s), Priority: p})
		x := newExchange(t, "GET")
		x.Request.Header.Set("X-Who", p.String())
		go func() { results <- run(t, step, x) }()
	}
	waiting := func(n int) {
		for deadline := time.Now().Add(long); s.Shed().Snapshot().Queued != n; {
			if time.Now().After(deadline) {
				t.Fatalf("%+v", s.Shed().Snapshot())
			}
		}
	}
	send(gabion.Normal)
	if who := <-at; who != "normal" {
		t.Fatal(who)
	}
	send(gabion.Sheddable)
	waiting(1)
	send(gabion.Normal)
	waiting(2)
	send(gabion.Critical) // the queue has two places before anything is known: this takes the one of the sheddable
	g := <-results
	g.wantProblem(t, "overloaded", 503)
	if g.header.Get("Retry-After") == "" || g.x.Record.Endpoint != "" {
		t.Errorf("%v, and was sent to %q", g.header, g.x.Record.Endpoint)
	}
	close(leave)
	for _, want := range []string{"critical", "normal"} {
		if who := <-at; who != want {
			t.Errorf("%s is next, want %s", who, want)
		}
	}
	for range 3 {
		if g := <-results; g.status != 200 {
			t.Errorf("%d", g.status)
		}
	}
	n := s.Shed().Snapshot()
	if n.InFlight != 0 || n.Queued != 0 || n.Sheddable.Displaced != 1 || n.Refused != 1 {
		t.Errorf("in the end %+v", n)
	}
}

// TestShedPlacesAreGivenBack: whatever becomes of a request, and while a stream goes on.
func TestShedPlacesAreGivenBack(t *testing.T) {
	stream := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.(http.Flusher).Flush()
		io.WriteString(w, "data: 1\n\n")
	})
	for name, e := range map[string]*endpoint{
		"answered": good(t), "failed": says(t, 500), "reset": resets(t), "hangs": hangs(t), "refused": dead(t), "stream": stream,
	} {
		s := serviceOf(t, []*endpoint{e}, noRetry, sheds(1), attemptTimeout(short))
		step := stepOf(t, Config{Target: targetOf(s)})
		for range 3 {
			run(t, step, newExchange(t, "GET"))
		}
		if n := s.Shed().Snapshot(); n.InFlight != 0 || n.Refused != 0 {
			t.Errorf("%s: %+v", name, n)
		}
	}
}
