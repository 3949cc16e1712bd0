package tier

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
)

func TestSamplesThatAreRefused(t *testing.T) {
	long := strings.Repeat("x", 3000)
	var crowd labels.ScratchBuilder
	crowd.Add("__name__", "crowd")
	for i := range 64 {
		crowd.Add("l"+strings.Repeat("x", i), "1")
	}
	crowd.Sort()
	for _, test := range []struct {
		name string
		s    Sample
		want string
	}{
		{"now", sample(start, 1, "__name__", "up"), ""},
		{"just ahead enough", sample(start.Add(2*time.Minute), 1, "__name__", "up"), ""},
		{"too far ahead", sample(start.Add(2*time.Minute+time.Millisecond), 1, "__name__", "up"), "future"},
		{"from tomorrow", sample(start.Add(24*time.Hour), 1, "__name__", "up"), "future"},
		{"just young enough", sample(start.Add(-time.Hour), 1, "__name__", "up"), ""},
		{"too old", sample(start.Add(-time.Hour-time.Millisecond), 1, "__name__", "up"), "too_old"},
		{"from 1970", sample(time.UnixMilli(0), 1, "__name__", "up"), "too_old"},
		{"no name", sample(start, 1, "job", "a"), "bad_labels"},
		{"no labels", Sample{At: start.UnixMilli()}, "bad_labels"},
		{"empty name", sample(start, 1, "__name__", ""), "bad_labels"},
		{"empty value", sample(start, 1, "__name__", "up", "job", ""), "bad_labels"},
		{"a name twice", sample(start, 1, "__name__", "up", "job", "a", "job", "b"), "bad_labels"},
		{"not UTF-8", sample(start, 1, "__name__", "up", "job", "\xff"), "bad_labels"},
		{"long name", sample(start, 1, "__name__", "up", long, "a"), "bad_labels"},
		{"long value", sample(start, 1, "__name__", "up", "job", long), "bad_labels"},
		{"too many labels", Sample{Labels: crowd.Labels(), At: start.UnixMilli()}, "bad_labels"},
		{"bad histogram", Sample{
			Labels: labels.FromStrings("__name__", "h"), At: start.UnixMilli(),
			Histogram: &histogram.Histogram{Count: 5, Schema: 1},
		}, "bad_histogram"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := setup(t, nil)
			if got := b.try(test.s); got != test.want {
				t.Fatalf("dropped for %q, want %q", got, test.want)
			}
			if test.want == "" {
				return
			}
			if drops := b.Drops(); len(drops) != 1 || drops[0].Producer != "test" || drops[0].Reason.String() != test.want || drops[0].Samples != 1 {
				t.Errorf("counted %+v", drops)
			}
			b.put(sample(start, 1, "__name__", "fine")) // what is wrong with one is nothing to others
		})
	}
}

func TestOneBadSampleLeavesTheBatch(t *testing.T) {
	b := setup(t, nil)
	dropped, err := b.Append(t.Context(), "10.0.0.7", []Sample{
		sample(start, 1, "__name__", "a"), sample(start.Add(time.Hour), 1, "__name__", "b"), sample(start, 3, "__name__", "c"),
	})
	if err != nil || dropped.Samples != 1 || dropped.ByReason[Future] != 1 {
		t.Fatalf("%v, %v", dropped, err)
	}
	if want := `1 samples refused: future 1; the first is {__name__="b"}: its time lies in the future`; !strings.HasPrefix(dropped.String(), want) {
		t.Errorf("said %q", dropped)
	}
	if found := b.ask(`{__name__=~"a|b|c"}`, start); len(found) != 2 {
		t.Errorf("found %v", found)
	}
}

func TestSecondValueForAMomentIsRefused(t *testing.T) {
	b := setup(t, nil)
	b.put(sample(start, 1, "__name__", "up"))
	b.put(sample(start, 1, "__name__", "up")) // the same again is no contradiction
	if got := b.try(sample(start, 2, "__name__", "up")); got != "duplicate" {
		t.Errorf("dropped for %q", got)
	}
}

func TestLateSamples(t *testing.T) {
	b := setup(t, nil)
	b.put(sample(start, 5, "__name__", "up"))
	b.put(sample(start.Add(-9*time.Minute), 4, "__name__", "up"))
	if got := b.try(sample(start.Add(-11*time.Minute), 3, "__name__", "up")); got != "too_old" {
		t.Errorf("dropped for %q", got)
	}
	if v := b.one(`count_over_time(up[1h])`, start); v != 2 {
		t.Errorf("%v samples", v)
	}
}

// A single sample from tomorrow, let in, locks out everyone: this is what the guard is for.
func TestSampleFromTomorrow(t *testing.T) {
	tomorrow := sample(start.Add(24*time.Hour), 1, "__name__", "clock_is_wrong")
	b := setup(t, nil)
	if got := b.try(tomorrow); got != "future" {
		t.Fatalf("dropped for %q", got)
	}
	b.now = start.Add(time.Minute)
	b.put(sample(b.now, 1, "__name__", "up"))

	without := setup(t, func(o *Options) { o.Ahead = 48 * time.Hour })
	without.put(tomorrow)
	without.now = start.Add(time.Minute)
	if got := without.try(sample(without.now, 1, "__name__", "up")); got != "too_old" {
		t.Errorf("without the guard a true sample was dropped for %q; is the guard needed at all?", got)
	}
}

func TestClockThatLeaps(t *testing.T) {
	mono := time.Hour
	var c clock
	at := func(wall time.Duration, passed time.Duration) time.Duration {
		mono += passed
		return c.read(start.Add(wall), mono).Sub(start)
	}
	for i, step := range []struct{ wall, passed, want time.Duration }{
		{0, 0, 0},
		{10 * time.Second, 10 * time.Second, 10 * time.Second},
		{65 * time.Second, 10 * time.Second, 65 * time.Second},                                  // a small correction
		{24 * time.Hour, 10 * time.Second, 75 * time.Second},                                    // a leap
		{24*time.Hour + 60*time.Second, 60 * time.Second, 135 * time.Second},                    // still there
		{200 * time.Second, 60 * time.Second, 200 * time.Second},                                // back: it was a mistake
		{24 * time.Hour, 10 * time.Second, 210 * time.Second},                                   // again
		{24*time.Hour + 6*time.Minute, 6 * time.Minute, 24*time.Hour + 6*time.Minute},           // and it stays: it was true
		{23 * time.Hour, 10 * time.Second, 23 * time.Hour},                                      // back: believed at once
		{23*time.Hour + time.Hour, time.Hour, 24 * time.Hour},                                   // nobody looked for an hour
		{24*time.Hour + 2*time.Minute, time.Second, 24*time.Hour + time.Second},                 // a leap of two minutes
		{24*time.Hour + 2*time.Minute + time.Second, time.Second, 24*time.Hour + 2*time.Second}, //
	} {
		if got := at(step.wall, step.passed); got != step.want {
			t.Fatalf("step %d: %v, want %v", i, got, step.want)
		}
	}
}

func TestSeriesBombIsBounded(t *testing.T) {
	limit := func(o *Options) { o.Limits = Limits{Service: 1000, Metric: 5000, Total: 6000} }
	b := setup(t, limit)
	b.put(sample(start, 1, "__name__", "up", "service", "good"))
	bomb := many("bomb", 100_000, start)
	dropped, err := b.Append(t.Context(), "bomber", bomb)
	if err != nil || dropped.ByReason[ServiceLimit] != 99_000 {
		t.Fatalf("%v, %v", dropped, err)
	}
	if n := b.Status()[0].Series; n != 1001 {
		t.Errorf("%d series", n)
	}
	if drops := b.Drops(); len(drops) != 1 || drops[0] != (Drop{"bomber", ServiceLimit, "bomb", 99_000}) {
		t.Errorf("counted %+v", drops)
	}
	b.now = b.now.Add(10 * time.Second)
	b.put(sample(b.now, 2, "__name__", "up", "service", "good")) // neither old
	b.put(sample(b.now, 1, "__name__", "new", "service", "good"))
	b.put(sample(b.now, 2, "__name__", "orders", "id", "7", "service", "bomb")) // what the bomber had before goes on

	b.reopen()
	if got := b.try(sample(b.now, 1, "__name__", "orders", "id", "1000", "service", "bomb")); got != "service_limit" {
		t.Errorf("after a restart: dropped for %q", got)
	}

	without := setup(t, func(o *Options) { o.Limits = Limits{Service: 1e6, Metric: 1e6, Total: 1e6} })
	without.put(bomb[:20_000]...)
	if n := without.Status()[0].Series; n != 20_000 {
		t.Errorf("without limits %d series: are the limits needed at all?", n)
	}
}

func TestLimitsOfMetricAndTotal(t *testing.T) {
	b := setup(t, func(o *Options) { o.Limits = Limits{Service: 100, Metric: 3, Total: 5} })
	b.put(many("a", 2, start)...)
	b.put(many("b", 1, start)...)
	if got := b.try(many("c", 1, start)[0]); got != "metric_limit" {
		t.Errorf("dropped for %q", got)
	}
	b.put(sample(start, 1, "__name__", "x", "job", "j"), sample(start, 1, "__name__", "y"))
	if got := b.try(sample(start, 1, "__name__", "z")); got != "total_limit" {
		t.Errorf("dropped for %q", got)
	}
}

func TestSeriesThatEndedMakeRoom(t *testing.T) {
	b := setup(t, func(o *Options) { o.Limits = Limits{Service: 10, Metric: 100, Total: 100} })
	b.put(many("a", 10, start)...)
	for range 12 {
		b.now = b.now.Add(30 * time.Minute)
		b.put(sample(b.now, 1, "__name__", "up", "service", "b"))
	}
	if got := b.try(sample(b.now, 1, "__name__", "next", "service", "a")); got != "service_limit" {
		t.Fatalf("dropped for %q", got)
	}
	if err := b.raw.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.put(sample(b.now, 1, "__name__", "next", "service", "a"))
}

type fakeGuard struct {
	refuse   error
	reported []error
}

func (g *fakeGuard) Admit() error { return g.refuse }
func (g *fakeGuard) Report(err error) error {
	g.reported = append(g.reported, err)
	return err
}

func TestFullDisk(t *testing.T) {
	guard := &fakeGuard{}
	b := setup(t, func(o *Options) { o.Guard = guard })
	b.put(sample(start, 1, "__name__", "up"))
	guard.refuse = errors.New("3 bytes left")
	_, err := b.Append(t.Context(), "test", many("a", 3, start))
	full, ok := errors.AsType[*FullError](err)
	if !ok || !errors.Is(err, ErrFull) || full.Tier != "raw" || !strings.Contains(err.Error(), "3 bytes left") {
		t.Fatalf("got %v", err)
	}
	if drops := b.Drops(); len(drops) != 1 || drops[0] != (Drop{"test", Full, "raw", 3}) {
		t.Errorf("counted %+v", drops)
	}
	if b.Status()[0].Full == nil {
		t.Error("the status hides it")
	}
	guard.refuse = nil
	b.put(many("a", 3, start)...)
	if len(guard.reported) > 0 {
		t.Errorf("reported %v although nothing was written", guard.reported)
	}
}

func TestQuota(t *testing.T) {
	used := int64(100)
	r := &room{tier: "raw", quota: 100, used: func() int64 { return used }}
	now := time.Hour
	for i, step := range []struct {
		used int64
		full bool
	}{{100, false}, {125, false}, {126, true}, {115, true}, {112, false}, {120, false}} {
		used = step.used
		now += countEvery
		err := r.check(now)
		if (err != nil) != step.full {
			t.Errorf("step %d: %v", i, err)
		}
		if err != nil && !errors.Is(err, ErrFull) {
			t.Errorf("step %d: %v is not ErrFull", i, err)
		}
	}
	used = 500
	if err := r.check(now + 1); err != nil {
		t.Errorf("counted again too soon: %v", err)
	}
}

func TestLedgerIsBounded(t *testing.T) {
	var l ledger
	for _, s := range many("a", 5*ledgerMax, start) {
		l.add(s.Labels.Get("id"), Future, "", 1)
	}
	drops := l.drops()
	if len(drops) != ledgerMax+1 || drops[0] != (Drop{"other", Future, "", 4 * ledgerMax}) {
		t.Errorf("%d drops, the largest %+v", len(drops), drops[0])
	}
}

func TestCatalogIsBounded(t *testing.T) {
	var c catalog
	for _, s := range many("a", metadataMax+100, start) {
		c.put(s.Labels.Get("id"), Metadata{Type: "gauge", Help: strings.Repeat("x", 2*helpMax)})
	}
	c.put("0", Metadata{Type: "counter"})
	all := c.get()
	if len(all) != metadataMax || all["0"].Type != "counter" || len(all["1"].Help) > helpMax+len("…") {
		t.Errorf("%d metrics, %+v", len(all), all["0"])
	}
}

// TestLateMarker: two that send the same series in turn, such as a target and the same target asked at another interval,
// must not tear holes into it. A marker that is the newest of its series counts.
func TestLateMarker(t *testing.T) {
	b := setup(t, nil)
	stale := math.Float64frombits(value.StaleNaN)
	b.put(sample(start, 1, "__name__", "a"), sample(start.Add(20*time.Second), 2, "__name__", "a"))
	b.put(sample(start.Add(10*time.Second), stale, "__name__", "a"), sample(start, stale, "__name__", "b"))
	if got := b.one("a", start.Add(15*time.Second)); got != 1 {
		t.Errorf("a is %v after a late marker", got)
	}
	if d := b.Drops(); len(d) > 0 {
		t.Errorf("it was counted: %v", d)
	}
	b.put(sample(start.Add(30*time.Second), stale, "__name__", "a"))
	if found := b.ask("a", start.Add(31*time.Second)); len(found) > 0 {
		t.Errorf("after its end there is %v", found)
	}
}

func TestTaken(t *testing.T) {
	var taken [][]Sample
	b := setup(t, func(o *Options) { o.Taken = func(batch []Sample) { taken = append(taken, slices.Clone(batch)) } })
	for _, c := range []struct{ batch, want string }{
		{"abc", "abc"}, {"xabc", "abc"}, {"axxbx", "ab"}, {"xx", ""},
	} {
		var batch []Sample
		b.now = b.now.Add(time.Second)
		for _, name := range c.batch {
			s := sample(b.now, 1, "__name__", string(name))
			if name == 'x' {
				s.At = 0
			}
			batch = append(batch, s)
		}
		taken = nil
		if _, err := b.Append(t.Context(), "test", batch); err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, batch := range taken {
			for _, s := range batch {
				got += s.Labels.Get("__name__")
			}
		}
		if got != c.want {
			t.Errorf("%s: taken %q, want %q", c.batch, got, c.want)
		}
	}
	b.now = b.now.Add(2 * time.Hour) // roll-ups are not told
	taken = nil
	if p := b.RollUp(t.Context(), b.now); p.Err != nil || len(taken) > 0 {
		t.Errorf("%v, %v", p.Err, taken)
	}
}
