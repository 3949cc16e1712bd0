package window

import (
	"math/rand/v2"
	"testing"
	"time"
)

const span = 10 * time.Second

// exactly counts the calls that ended in the time (from, to].
func exactly(ended []time.Duration, from, to time.Duration) (n int) {
	for _, at := range ended {
		if at > from && at <= to {
			n++
		}
	}
	return n
}

func TestCountIsWrongByAtMostOneBucketAtAnyPhase(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	w := New(span)
	var ended []time.Duration
	now := time.Hour
	for range 5000 {
		now += time.Duration(random.Int64N(int64(40 * time.Millisecond)))
		if random.IntN(500) == 0 {
			now += time.Duration(random.Int64N(int64(2 * span))) // a pause of any length
		}
		failed := random.IntN(2) == 0
		w.Add(now, failed, !failed)
		ended = append(ended, now)

		at := now + time.Duration(random.Int64N(int64(span+time.Second)))
		got := w.Counts(at)
		least, most := exactly(ended, at-span+span/Buckets, at), exactly(ended, at-span, at)
		if got.Calls < least || got.Calls > most {
			t.Fatalf("at %v: %d calls, want between %d and %d", at, got.Calls, least, most)
		}
		if got.Failures+got.Slow != got.Calls {
			t.Fatalf("at %v: %d failures and %d slow of %d calls", at, got.Failures, got.Slow, got.Calls)
		}
	}
}

func TestCountsExpireOnRead(t *testing.T) {
	w := New(span)
	for range 7 {
		w.Add(time.Hour, true, false)
	}
	if got := w.Counts(time.Hour + span - span/Buckets - 1); got.Calls != 7 {
		t.Errorf("within the window: %+v, want 7 calls", got)
	}
	for _, quiet := range []time.Duration{span, time.Hour, 24 * 365 * time.Hour} {
		if got := w.Counts(time.Hour + quiet); got != (Counts{}) {
			t.Errorf("after %v: %+v, want nothing", quiet, got)
		}
	}
	if got := w.Counts(time.Hour); got.Calls != 7 {
		t.Errorf("reading changed the window: %+v", got)
	}
}

func TestLateReportCountsAsNewest(t *testing.T) {
	w := New(span)
	w.Add(time.Hour, false, false)
	w.Add(time.Hour-5*span, true, false)
	if got := w.Counts(time.Hour); got != (Counts{Calls: 2, Failures: 1}) {
		t.Errorf("got %+v", got)
	}
}

func TestReset(t *testing.T) {
	w := New(span)
	w.Add(time.Hour, true, true)
	w = New(span)
	if got := w.Counts(time.Hour); got != (Counts{}) {
		t.Errorf("got %+v, want nothing", got)
	}
	w.Add(time.Hour, true, true)
	if got := w.Counts(time.Hour); got != (Counts{1, 1, 1}) {
		t.Errorf("got %+v, want one of each", got)
	}
}

func TestResizeKeepsWhatLiesWithinTheNewSpan(t *testing.T) {
	fill := func() *Window {
		w := New(span)
		for i := range 10 { // one call per second
			w.Add(time.Hour+time.Duration(i)*time.Second, i%2 == 0, false)
		}
		return w
	}
	now := time.Hour + 9*time.Second
	tests := map[string]struct {
		span        time.Duration
		least, most int
	}{
		"same":    {span, 10, 10},
		"longer":  {time.Hour, 10, 10},
		"shorter": {5 * time.Second, 4, 6},
		"tiny":    {10 * time.Millisecond, 1, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := fill()
			w = w.Resized(now, test.span)
			if got := w.Counts(now).Calls; got < test.least || got > test.most {
				t.Errorf("%d calls, want %d to %d", got, test.least, test.most)
			}
			if got := w.Counts(now + test.span); got != (Counts{}) {
				t.Errorf("a span later: %+v, want nothing", got)
			}
		})
	}
}

func TestShrunkWindowDoesNotWaitForTheFuture(t *testing.T) {
	w := New(20 * time.Minute) // buckets of a minute
	now := time.Hour + time.Second
	w.Add(now, true, false)
	w = w.Resized(now, span)
	if got := w.Counts(now + span); got != (Counts{}) {
		t.Errorf("a span later: %+v, want nothing", got)
	}
}

func BenchmarkAdd(b *testing.B) {
	w := New(span)
	now := time.Hour
	for b.Loop() {
		now += time.Microsecond
		w.Add(now, false, false)
	}
}
