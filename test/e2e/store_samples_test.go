package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion/test/harness"
)

const wrongSamples = "no sample is found that nobody has sent"

// The samples of the scenario, a second apart, and how many come at a time.
const keptSamples, keptAtATime = 600, 10

// samplesInjured injures the write-ahead log of the metrics of a store that is stopped.
func samplesInjured(t *testing.T, injure func(t *testing.T, path string), f *harness.Findings) {
	g := storing(t)
	first := time.Now().Add(-keptSamples * time.Second).Truncate(time.Second)
	for i := 0; i < keptSamples; i += keptAtATime {
		var b strings.Builder
		for n := i; n < i+keptAtATime; n++ {
			fmt.Fprintf(&b, "e2e_kept %d %d\n", n, first.Add(time.Duration(n)*time.Second).UnixMilli())
		}
		if status, answer := g.Send("/api/v1/metrics?job=e2e", "text/plain", b.String()); status != 200 {
			t.Fatalf("%d %s", status, answer)
		}
	}
	g.Stop(t, upWithin)
	for _, path := range list(t, g.Data(), "metrics/raw/wal/0*") {
		if len(read(t, path)) > 0 {
			injure(t, path)
			break
		}
	}
	began := time.Now()
	g.Restart(t)
	g.StoreUp(t, upWithin)
	f.Claim(opensSoon, time.Since(began) <= 5*time.Second, "%v", time.Since(began))

	found, err := g.Samples("e2e_kept[30m]")
	if err != nil {
		t.Fatal(err)
	}
	wrong, last := 0, -1
	for _, s := range found {
		if n := s.At.Sub(first).Seconds(); n != math.Trunc(n) || n < 0 || s.Value != n {
			wrong++
		}
		last = max(last, int(s.Value))
	}
	f.Claim(wrongSamples, wrong == 0, "%d", wrong)
	missing := keptSamples - len(found)
	f.Claim(inOnePiece, last == len(found)-1, "%d of %d are missing, the last one that is there is number %d", missing, keptSamples, last)
	event := ""
	soon(func() bool { event = damageEvent(t, g, "metrics/raw/wal"); return event != "" })
	f.Claim(anEvent, event != "", "%s", event)
	during, after := warningsAt(t, g, time.Now()), warningsAt(t, g, time.Now().Add(time.Hour))
	f.Claim(answersSaySo, (missing == 0 || len(during) > 0) && len(after) == 0, "%d are missing: %q; of the time after: %q", missing, during, after)
}

// warningsAt are those of a query for the samples before a time.
func warningsAt(t *testing.T, g *harness.Gateway, at time.Time) []string {
	t.Helper()
	var answer struct{ Warnings []string }
	text := g.Get(t, fmt.Sprintf("/prometheus/api/v1/query?query=%s&time=%d", url.QueryEscape("e2e_kept[30m]"), at.Unix()))
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		t.Fatal(err)
	}
	return answer.Warnings
}

// flipLog changes one bit of a write-ahead log, where the samples are: behind the name of their series.
func flipLog(t *testing.T, path string) {
	t.Helper()
	text := read(t, path)
	name := bytes.Index(text, []byte("e2e_kept"))
	if name < 0 {
		t.Fatalf("the series is not in %s", path)
	}
	const series, samples = 64, 2_000
	flip(t, path, text, name+series, name+series+samples)
}

func TestDamagedMetrics(t *testing.T) {
	t.Parallel()
	harness.Prove(t, samplesInjured, flipLog,
		harness.Twin[func(*testing.T, string)]{Name: "damage", Config: func(*testing.T, string) {}, Breaks: []string{anEvent}})
}
