package disk

import (
	"testing"
	"time"
)

const mib = 1 << 20

func TestStates(t *testing.T) {
	roomy := Usage{Total: 1000 * mib, Free: 900 * mib}
	free := func(n int64) Usage { u := roomy; u.Free = n * mib; return u }
	used := func(n int64) Usage { u := roomy; u.Used = n * mib; return u }
	type step struct {
		usage   Usage
		missing int64
		want    State
	}
	for name, steps := range map[string][]step{
		"falls and rises": {
			{free(100), 0, OK},
			{free(99), 0, Low},
			{free(100), 0, Low}, // a quarter above the mark is needed
			{free(124), 0, Low},
			{free(125), 0, OK},
			{free(39), 0, Full},
			{free(49), 0, Full},
			{free(50), 0, Low},
			{free(500), 0, OK},
		},
		"what the ballast gave does not count": {
			{free(39), 0, Full},
			{free(39 + 64), 64 * mib, Full},
			{free(49 + 64), 64 * mib, Full},
			{free(50 + 64), 64 * mib, Low},
		},
		"quota": {
			{used(180), 0, OK},
			{used(181), 0, Low},
			{used(176), 0, Low},
			{used(174), 0, OK},
			{used(200), 0, Full},
			{used(196), 0, Full},
			{used(194), 0, Low},
		},
		"files": {
			{Usage{Total: 1000 * mib, Free: 900 * mib, Files: 10_000, FilesFree: 100}, 0, OK},
			{Usage{Total: 1000 * mib, Free: 900 * mib, Files: 10_000, FilesFree: 99}, 0, Full},
			{Usage{Total: 1000 * mib, Free: 900 * mib, Files: 10_000, FilesFree: 124}, 0, Full},
			{Usage{Total: 1000 * mib, Free: 900 * mib, Files: 10_000, FilesFree: 125}, 0, OK},
		},
		"the system does not tell": {{Usage{}, 64 * mib, OK}},
	} {
		t.Run(name, func(t *testing.T) {
			j := judge{low: 100 * mib, full: 40 * mib, quota: 200 * mib}
			for i, s := range steps {
				if got, why := j.see(s.usage, s.missing, 1); got != s.want || why == "" {
					t.Errorf("step %d: %v (%s), want %v", i, got, why, s.want)
				}
			}
		})
	}
}

func TestAFailedWriteMakesItFullForAWhile(t *testing.T) {
	j := judge{low: 100 * mib, full: 40 * mib, until: forced}
	roomy := Usage{Total: 1000 * mib, Free: 900 * mib}
	if got, why := j.see(roomy, 0, forced-time.Second); got != Full || why != "a write failed for want of room" {
		t.Errorf("%v: %s", got, why)
	}
	if got, _ := j.see(roomy, 0, forced); got != OK {
		t.Errorf("%v after the time", got)
	}
}

func TestDefaultsFollowTheDisk(t *testing.T) {
	for _, c := range []struct{ total, low, full, ballast int64 }{
		{1000 * mib, 50 * mib, 20 * mib, 10 * mib},
		{100_000_000 * mib, 4096 * mib, 512 * mib, 64 * mib},
		{0, 0, 0, 0},
	} {
		var cfg Config
		cfg.complete(c.total)
		if cfg.Low != c.low || cfg.Full != c.full || cfg.Ballast != c.ballast || cfg.Every != time.Second {
			t.Errorf("%d: %+v", c.total, cfg)
		}
	}
}
