package kit

import (
	"math/big"
	"testing"
	"time"

	"github.com/gabion-io/gabion/internal/gcra"
	"pgregory.net/rapid"
)

// admission is units that were admitted at an instant.
type admission struct {
	at    time.Duration
	units int64
}

// overdrawn says whether a window exists in which more was admitted than burst + n/per · length. It is computed in whole
// numbers, for every pair of a first and a last admission.
func overdrawn(all []admission, n, per, burst int64) bool {
	for first := range all {
		var sum int64
		for _, a := range all[first:] {
			sum += a.units
			// (sum - burst) · per > n · length
			left := new(big.Int).Mul(big.NewInt(sum-burst), big.NewInt(per))
			right := new(big.Int).Mul(big.NewInt(n), big.NewInt(int64(a.at-all[first].at)))
			if left.Cmp(right) > 0 {
				return true
			}
		}
	}
	return false
}

func TestNoWindowGetsMoreThanBurstAndRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(1, 100_000).Draw(t, "n")
		per := rapid.Int64Range(n*int64(gcra.MinInterval), int64(time.Hour)).Draw(t, "per")
		burst := rapid.Int64Range(1, 50).Draw(t, "burst")
		rule := gcra.Count(n, time.Duration(per), burst)
		now := time.Hour
		var full time.Duration
		var admitted []admission
		for range rapid.IntRange(1, 60).Draw(t, "takes") {
			now += time.Duration(rapid.Int64Range(0, 3*per/n).Draw(t, "passes"))
			units := rapid.Int64Range(1, burst).Draw(t, "units")
			next, wait := rule.Take(full, now, units)
			if wait > 0 {
				checkWait(t, rule, full, now, units, wait)
				continue
			}
			full = next
			admitted = append(admitted, admission{now, units})
		}
		if overdrawn(admitted, n, per, burst) {
			t.Fatalf("%d in %v with a burst of %d is overdrawn by %v", n, time.Duration(per), burst, admitted)
		}
	})
}

// checkWait: exactly the wait suffices, and not a nanosecond less.
func checkWait(t *rapid.T, rule gcra.Rule, full, now time.Duration, units int64, wait time.Duration) {
	if _, again := rule.Take(full, now+wait, units); again != 0 {
		t.Fatalf("after the wait of %v: %v more", wait, again)
	}
	if _, again := rule.Take(full, now+wait-1, units); again != 1 {
		t.Fatalf("a nanosecond before the end of the wait: %v more", again)
	}
}

func TestWhoAlwaysAsksGetsNinetyNinePercent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(1, 1_000_000).Draw(t, "n")
		per := rapid.Int64Range(n*int64(gcra.MinInterval), n*int64(time.Second)).Draw(t, "per")
		rule := gcra.Count(n, time.Duration(per), 1)
		const takes = 500
		start := time.Hour
		now, full := start, time.Duration(0)
		for range takes {
			next, wait := rule.Take(full, now, 1)
			if wait > 0 {
				now += wait
				next, wait = rule.Take(full, now, 1)
			}
			if wait > 0 {
				t.Fatalf("refused after the wait")
			}
			full = next
		}
		ideal := 1 + float64(now-start)*float64(n)/float64(per)
		if takes < 0.99*ideal {
			t.Fatalf("%d of %.1f", takes, ideal)
		}
	})
}

func TestConvertNeitherGivesNorLocksOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) gcra.Rule {
			quota := rapid.Int64Range(int64(time.Millisecond), int64(time.Hour)).Draw(t, label+" quota")
			per := rapid.Int64Range(int64(time.Millisecond), int64(24*time.Hour)).Draw(t, label+" per")
			return gcra.Amount(time.Duration(quota), time.Duration(per))
		}
		from, to := draw("from"), draw("to")
		now := time.Hour
		missing := time.Duration(rapid.Int64Range(0, 2*int64(from.Capacity())).Draw(t, "missing"))
		got := gcra.Missing(from.Convert(now+missing, now, to), now)
		before := float64(missing) / float64(from.Capacity())
		after := float64(got) / float64(to.Capacity())
		if after < before-1e-9 || got > 2*to.Capacity() || after > before+1e-9+1/float64(to.Capacity()) {
			t.Fatalf("missing %v of %v, then %v of %v", missing, from.Capacity(), got, to.Capacity())
		}
	})
}
