package config

import (
	"slices"
	"strings"
	"time"

	"github.com/gabion-io/gabion/ratelimit"
)

func (c *checker) limit(name string, l Limit) {
	path := join("limits", name)
	c.name(path, name)
	c.limitKey(join(path, "key"), l.Key)
	if l.LimitValues.empty() && !c.triedValues(path) {
		c.failKey(path, "%s allows nothing and forbids nothing: set at least one value", path).
			allow("requests: 100/s", "server_time: 2s/10s", "concurrency: 20")
	}
	c.limitValues(path, l.LimitValues)
	if l.Burst != 0 && l.Requests.Count == 0 && !c.bad[join(path, "requests")] {
		c.fail(join(path, "burst"), "%s.burst needs requests", path)
	}
	c.tiers(join(path, "tiers"), l)
	for _, key := range sorted(l.Overrides) {
		at := join(join(path, "overrides"), key)
		if key == "" {
			c.failKey(at, "an override needs the key that it is for")
		}
		c.other(at, l.Overrides[key], l)
	}
}

// triedValues says whether a value of a limit was written but could not be read.
func (c *checker) triedValues(path string) bool {
	return slices.ContainsFunc([]string{"requests", "server_time", "concurrency"}, func(key string) bool { return c.bad[join(path, key)] })
}

func (v LimitValues) empty() bool {
	return v.Requests == (ratelimit.Rate{}) && v.ServerTime == (ratelimit.Quota{}) && v.Concurrency == 0
}

// Bounds of a limit. Beyond the first, the limiter's clock is too coarse; beyond the second, nobody waits for it.
const (
	maxRate   = 10e6 // a second
	maxPeriod = 31 * 24 * time.Hour
)

func (c *checker) limitValues(path string, v LimitValues) {
	if r := v.Requests; r.Count > 0 && float64(r.Count)/r.Per.Seconds() > maxRate {
		c.fail(join(path, "requests"), "%s.requests is %v, must be at most 10000000/s", path, r)
	}
	for _, p := range []struct {
		key string
		per time.Duration
	}{{"requests", v.Requests.Per}, {"server_time", v.ServerTime.Per}} {
		if p.per > maxPeriod {
			c.fail(join(path, p.key), "%s.%s has a period of %v, must be at most %v", path, p.key, p.per, maxPeriod)
		}
	}
}

// other checks values that stand in for a limit's own.
func (c *checker) other(path string, v LimitValues, l Limit) {
	c.limitValues(path, v)
	if v.empty() && v.Burst == 0 && !c.triedValues(path) && c.readable(path) {
		c.failKey(path, "%s sets no value", path).allow("requests: 100/s", "burst: 200", "server_time: 2s/10s", "concurrency: 20")
	}
	needs := []struct {
		key      string
		set, own bool
	}{
		{"requests", v.Requests.Count != 0, l.Requests.Count != 0},
		{"burst", v.Burst != 0, l.Requests.Count != 0},
		{"server_time", v.ServerTime.Time != 0, l.ServerTime.Time != 0},
		{"concurrency", v.Concurrency != 0, l.Concurrency != 0 || l.ServerTime.Time != 0},
	}
	for _, n := range needs {
		if n.set && !n.own && !l.LimitValues.empty() {
			c.fail(join(path, n.key), "%s.%s changes a value that the limit itself does not set", path, n.key)
		}
	}
}

func (c *checker) tiers(path string, l Limit) {
	member := map[string]string{}
	for _, name := range sorted(l.Tiers) {
		tier, at := l.Tiers[name], join(path, name)
		c.name(at, name)
		c.other(at, tier.LimitValues, l)
		if len(tier.Keys) == 0 && c.readable(join(at, "keys")) {
			c.fail(join(at, "keys"), "%s has no keys, so nobody is in it", at)
		}
		for i, key := range tier.Keys {
			switch first, twice := member[key]; {
			case key == "":
				c.fail(item(join(at, "keys"), i), "%s.keys holds an empty key", at)
			case twice:
				c.fail(item(join(at, "keys"), i), "%q is already in tier %s", clip(key), first)
			default:
				member[key] = name
			}
		}
	}
}

// limitWords are what can be counted besides header fields.
var limitWords = []string{"identity", "ip", "route", "global"}

func (c *checker) limitKey(path string, keys Keys) {
	if len(keys) == 0 && c.wrote(path) {
		c.fail(path, "%s is an empty list", path).allow(append(slices.Clone(limitWords), "header:NAME")...)
	}
	for i, key := range keys {
		at := item(path, i)
		if strings.HasPrefix(key, "jwt:") {
			c.fail(at, "%s: jwt: is not available yet in this version of Gabion", path)
			continue
		}
		c.source(at, key, limitWords, append(slices.Clone(limitWords), "header:NAME")...)
		if key == "global" && len(keys) > 1 {
			c.fail(at, "%s: global is one count for all, so it cannot be combined", path)
		}
	}
	c.twice(path, keys)
}
