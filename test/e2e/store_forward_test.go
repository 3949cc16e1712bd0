package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gabion-io/gabion/logs"
	"github.com/gabion-io/gabion/test/harness"
)

const (
	loggerWaitsNot = "who logs does not wait"
	nothingDropped = "the handler of the kit drops no line"
	keptHere       = "all lines are in the logs"
	keptThere      = "all lines are in the logs of the system that they are sent on to"
	traceHere      = "a span that failed is found by its trace, with the lines of the log"
	traceThere     = "the span is found in the other system, too"
)

// spansOf is a request of OTLP with a span that failed and one that did not.
const spansOf = `{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},"scopeSpans":[{"spans":[
	{"traceId":"%[1]s","spanId":"00f067aa0ba902b7","name":"pay","kind":2,"startTimeUnixNano":"%[2]d","endTimeUnixNano":"%[3]d","status":{"code":2,"message":"no money"}},
	{"traceId":"%[1]s","spanId":"00f067aa0ba902b8","name":"look","kind":2,"startTimeUnixNano":"%[2]d","endTimeUnixNano":"%[3]d"}]}]}]}`

// sentOn is a gateway that may send on what it keeps to another one.
type sentOn struct{ forward bool }

// A service logs with the handler of the kit. First the other system that gets everything is killed, and then the store that
// the service logs to.
func linesSurvive(t *testing.T, c sentOn, f *harness.Findings) {
	there := storing(t)
	here := storing(t, func(cfg *harness.Config) {
		if c.forward {
			cfg.Rest += fmt.Sprintf("logs: {forward: [{url: \"http://%[1]s\", where: 'service = \"shop\"'}]}\ntraces: {forward: [{url: \"http://%[1]s\"}]}\n", there.Admin)
		}
	})
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	began := time.Now()
	status, answer := here.Send("/v1/traces", "application/json", fmt.Sprintf(spansOf, trace, began.Add(-time.Second/10).UnixNano(), began.UnixNano()))
	if status != 200 {
		t.Fatal(status, answer)
	}
	handler, err := logs.New(logs.Config{
		URL: "http://" + here.Admin, Service: "shop", Every: 100 * time.Millisecond, Timeout: 2 * time.Second,
		Trace: func(context.Context) (string, string) { return trace, "00f067aa0ba902b7" },
	})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(handler)
	var longest time.Duration
	send := func(from, to int, events map[int]func()) {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for i := from; i < to; i++ {
			if event := events[i]; event != nil {
				event()
			}
			if i%10 == 0 {
				<-tick.C
			}
			before := time.Now()
			log.Info("number", "i", i)
			longest = max(longest, time.Since(before))
		}
	}
	const half, lines = 2000, 4000
	send(0, half, map[int]func(){500: func() { there.Kill(t) }, 1000: func() { there.Restart(t) }})
	n := 0
	for end := time.Now().Add(upWithin); n < half && time.Now().Before(end) && c.forward; {
		n = numbers(there, began)
	}
	f.Claim(keptThere, n == half, "%d of %d", n, half)
	findTrace(t, there, f, traceThere, trace)
	kill := func() { here.SignalStore(t, syscall.SIGKILL) }
	send(half, lines, map[int]func(){2500: kill, 3500: kill})
	f.Claim(loggerWaitsNot, longest < time.Second, "%v at most", longest) // the machine may stand still
	ctx, cancel := context.WithTimeout(t.Context(), upWithin)
	defer cancel()
	err = handler.Close(ctx)
	counts := handler.Counts()
	f.Claim(nothingDropped, err == nil && counts.Sent == lines && counts.Dropped == 0 && counts.Refused == 0, "%+v %v", counts, err)
	have := numbers(here, began)
	f.Claim(keptHere, have == lines, "%d of %d", have, lines)
	findTrace(t, here, f, traceHere, trace)
}

// numbers is how many of the numbered lines are kept, each counted once.
func numbers(g *harness.Gateway, since time.Time) int {
	texts, err := g.Lines(`{service="shop"} |= "number" | line_format "{{.i}}"`, since, time.Now().Add(time.Minute))
	if err != nil {
		return -1
	}
	found := map[string]bool{}
	for _, text := range texts {
		found[text] = true
	}
	return len(found)
}

// findTrace makes the claim that a trace is found, with the span that failed and lines of the log, and without what was
// neither slow nor failed.
func findTrace(t *testing.T, g *harness.Gateway, f *harness.Findings, claim, trace string) {
	var found struct {
		Spans []struct {
			Name   string `json:"name"`
			Failed bool   `json:"failed"`
		} `json:"spans"`
		Lines []json.RawMessage `json:"lines"`
	}
	ctx, cancel := context.WithTimeout(t.Context(), upWithin)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+g.Admin+"/api/v1/traces/"+strings.ToUpper(trace), nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		f.Claim(claim, false, "%v", err)
		return
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&found); err != nil {
		f.Claim(claim, false, "%s: %v", answer.Status, err)
		return
	}
	f.Claim(claim, len(found.Spans) == 1 && found.Spans[0].Name == "pay" && found.Spans[0].Failed && len(found.Lines) > 0,
		"%s %+v, %d lines", answer.Status, found.Spans, len(found.Lines))
}

func TestLinesSurviveBothStores(t *testing.T) {
	t.Parallel()
	harness.Prove(t, linesSurvive, sentOn{forward: true},
		harness.Twin[sentOn]{Name: "sending on", Config: sentOn{}, Breaks: []string{keptThere, traceThere}})
}
