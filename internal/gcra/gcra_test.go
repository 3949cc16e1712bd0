package gcra

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func TestCount(t *testing.T) {
	// Three in a second: the interval is rounded up, and still three fit at once.
	r := Count(3, time.Second, 3)
	full := time.Duration(0)
	now := time.Hour
	for i := range 3 {
		if left := r.Left(full, now); left != int64(3-i) {
			t.Errorf("before take %d: left %d", i, left)
		}
		var wait time.Duration
		if full, wait = r.Take(full, now, 1); wait != 0 {
			t.Fatalf("take %d: must wait %v", i, wait)
		}
	}
	same, wait := r.Take(full, now, 1)
	if wait != 333333334 || same != full {
		t.Errorf("fourth: wait %v, instant moved by %v", wait, same-full)
	}
	if _, again := r.Take(full, now+wait-1, 1); again != 1 {
		t.Errorf("a nanosecond early: wait %v", again)
	}
	if _, again := r.Take(full, now+wait, 1); again != 0 {
		t.Errorf("after exactly the wait: wait %v more", again)
	}
}

func TestAmount(t *testing.T) {
	r := Amount(2*time.Second, 10*time.Second)
	if got := r.Span(int64(time.Second)); got != 5*time.Second {
		t.Errorf("a second refills in %v", got)
	}
	if got := r.Left(5*time.Second, 0); got != int64(time.Second) {
		t.Errorf("half missing: left %v", time.Duration(got))
	}
	third := Amount(3, 1)
	if got := third.Span(1); got != 1 {
		t.Errorf("a third of a nanosecond is rounded to %v, must be up", got)
	}
}

func TestDebtIsBounded(t *testing.T) {
	r := Amount(2*time.Second, 10*time.Second)
	next, forgiven := r.Spend(0, time.Minute, int64(3*time.Second))
	if next != time.Minute+15*time.Second || forgiven != 0 {
		t.Errorf("three seconds: full at %v, forgiven %v", next, forgiven)
	}
	next, forgiven = r.Spend(next, time.Minute, int64(time.Hour))
	if next != time.Minute+20*time.Second || forgiven != 5*time.Hour-5*time.Second {
		t.Errorf("an hour more: full at %v, forgiven %v", next, forgiven)
	}
}

func TestRefund(t *testing.T) {
	for _, c := range []struct{ full, now, span, want time.Duration }{
		{100, 10, 30, 70},
		{100, 10, 300, 10}, // not more than full
		{5, 10, 30, 5},     // already full
		{100, 10, -30, 100},
	} {
		if got := Refund(c.full, c.now, c.span); got != c.want {
			t.Errorf("Refund(%d, %d, %d) = %d, want %d", c.full, c.now, c.span, got, c.want)
		}
	}
}

func TestConvertKeepsTheShare(t *testing.T) {
	const now = time.Hour
	old := Count(1, time.Hour, 10)
	for name, to := range map[string]Rule{
		"faster": Count(1000, time.Second, 500), "slower": Count(1, 24*time.Hour, 3), "same": old,
	} {
		if full := old.Convert(now-1, now, to); Missing(full, now) != 0 {
			t.Errorf("%s: a full bucket misses %v", name, Missing(full, now))
		}
		if full := old.Convert(now+old.capacity, now, to); Missing(full, now) != to.capacity {
			t.Errorf("%s: an empty bucket misses %v of %v", name, Missing(full, now), to.capacity)
		}
		if full := old.Convert(now+2*old.capacity, now, to); Missing(full, now) != 2*to.capacity {
			t.Errorf("%s: a bucket in debt misses %v of %v", name, Missing(full, now), to.capacity)
		}
		half := Missing(old.Convert(now+old.capacity/2, now, to), now)
		if half != to.capacity/2 {
			t.Errorf("%s: half a bucket misses %v of %v", name, half, to.capacity)
		}
	}
	if full := old.Convert(now+5, now, Rule{}); full != now {
		t.Errorf("to no bound: %v", full)
	}
	var none Rule
	if full := none.Convert(now+5, now, old); full != now {
		t.Errorf("from no bound: %v", full)
	}
}

func TestNothingOverflows(t *testing.T) {
	const now = math.MaxInt64 / 8 // some 36 years of uptime
	rules := []Rule{
		{}, Count(1, 31*24*time.Hour, math.MaxInt64), Count(10_000_000, time.Second, math.MaxInt64), Amount(1, MaxFill), Amount(math.MaxInt64, 1),
	}
	for _, r := range rules {
		if r.capacity < 0 || r.capacity > MaxFill {
			t.Errorf("%+v: capacity %v", r, r.capacity)
		}
		for _, units := range []int64{math.MinInt64, -1, 0, 1, math.MaxInt64} {
			next, wait := r.Take(now+2*r.capacity, now, units)
			if next < now || wait < 0 {
				t.Errorf("%+v: take %d: full at %v, wait %v", r, units, next, wait)
			}
			spent, forgiven := r.Spend(now+2*r.capacity, now, units)
			if spent < now || spent > now+2*r.capacity || forgiven < 0 {
				t.Errorf("%+v: spend %d: full at %v, forgiven %v", r, units, spent, forgiven)
			}
		}
		if left := r.Left(0, now); left < 0 {
			t.Errorf("%+v: left %d", r, left)
		}
	}
}

func TestZeroRuleBoundsNothing(t *testing.T) {
	var r Rule
	if next, wait := r.Take(0, time.Hour, math.MaxInt64); next != time.Hour || wait != 0 {
		t.Errorf("full at %v, wait %v", next, wait)
	}
	if !r.IsZero() || r.Left(0, 1) != 0 || r.Span(5) != 0 {
		t.Error("the zero rule has a value")
	}
}

func BenchmarkTake(b *testing.B) {
	r := Count(1000, time.Second, 1000)
	var full, now time.Duration
	for b.Loop() {
		now += 1_000_000
		full, _ = r.Take(full, now, 1)
	}
}

// What is counted by multiplying is what dividing gives.
func TestLeftIsExact(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		n := 1 + random.Int64N(1_000_000)
		per := time.Duration(n)*MinInterval + time.Duration(random.Int64N(int64(time.Hour)))
		interval := (int64(per) + n - 1) / n
		burst := 1 + random.Int64N(int64(MaxFill)/interval)
		r := Count(n, per, burst)
		if got := r.Left(0, 0); got != burst {
			t.Fatalf("%d in %v with a burst of %d: %d left of a full bucket", n, per, burst, got)
		}
		missing := time.Duration(random.Int64N(int64(r.Capacity())))
		if random.IntN(2) == 0 {
			missing = missing / time.Duration(interval) * time.Duration(interval)
		}
		if got, want := r.Left(missing, 0), int64(r.Capacity()-missing)/interval; got != want {
			t.Fatalf("%d in %v, %v missing of %v: %d left, want %d", n, per, missing, r.Capacity(), got, want)
		}
		units := 1 + random.Int64N(2*small)
		if got, want := r.Span(units), clamped(units, interval, 1, 0); int64(got) != want {
			t.Fatalf("%d units of %d ns take %d", units, interval, got)
		}
	}
}
