package ratelimit

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/internal/gcra"
)

const (
	// maxPeriod bounds the time of a rate or quota.
	maxPeriod = 31 * 24 * time.Hour
	// maxQuotaTime bounds the server time of a quota.
	maxQuotaTime = 1000 * maxPeriod
	// maxMaxKeys bounds the number of keys that can be asked for.
	maxMaxKeys = 100_000_000
)

// problems collects what is wrong with a configuration. at is put before the names of fields, such as "tiers.gold.".
type problems struct {
	all []error
	at  string
}

func (p *problems) add(field, format string, args ...any) {
	p.all = append(p.all, &gabion.FieldError{Field: p.at + field, Problem: fmt.Sprintf(format, args...)})
}

func (p *problems) notNegative(field string, n int) {
	if n < 0 {
		p.add(field, "is %d, must be positive (0 means the default)", n)
	}
}

func (p *problems) maxKeys(n int) {
	p.notNegative("max_keys", n)
	if n > maxMaxKeys {
		p.add("max_keys", "is %d, must be at most %d", n, maxMaxKeys)
	}
}

// values checks what is allowed: given is what stands in the configuration, v what that comes to.
func (p *problems) values(sliding bool, given, v RequestsValues) {
	if sliding && given.Burst != 0 {
		p.add("burst", "is %d, must be left out: a sliding window has none", given.Burst)
	}
	if sliding {
		v.Burst = 0
	}
	p.rate(v.Rate, v.Burst)
}

// rate checks what is allowed in a time, and at once.
func (p *problems) rate(rate Rate, burst int) {
	switch {
	case rate == Rate{}:
		p.add("requests", "is missing: say how many are allowed in a time, such as 100/s")
	case rate.Count <= 0 || rate.Per <= 0:
		p.add("requests", "is %d in %v, both must be positive", rate.Count, rate.Per)
	case rate.Per > maxPeriod:
		p.add("requests", "has a period of %v, must be at most %v", rate.Per, maxPeriod)
	case rate.Per/time.Duration(rate.Count) < gcra.MinInterval:
		p.add("requests", "is %v, must be at most 10000000/s", rate)
	default:
		p.burst(rate, burst)
	}
}

func (p *problems) burst(rate Rate, burst int) {
	p.notNegative("burst", burst)
	interval := (rate.Per + time.Duration(rate.Count) - 1) / time.Duration(rate.Count)
	if most := int(gcra.MaxFill / interval); burst > most {
		p.add("burst", "is %d, must be at most %d: at %v, more takes over a year to refill", burst, most, rate)
	}
}

func (p *problems) quota(q Quota) {
	switch {
	case q == Quota{}:
	case q.Time <= 0 || q.Per <= 0:
		p.add("server_time", "is %v in %v, both must be positive", q.Time, q.Per)
	case q.Per > maxPeriod:
		p.add("server_time", "has a period of %v, must be at most %v", q.Per, maxPeriod)
	case q.Time > maxQuotaTime:
		p.add("server_time", "is %v, must be at most %v", q.Time, maxQuotaTime)
	}
}

func (p *problems) tiers(n int, get func(i int) (name string, keys []string)) {
	seen := map[string]bool{}
	for i := range n {
		name, keys := get(i)
		p.at = ""
		switch {
		case name == "":
			p.add("tiers", "has a tier without a name at index %d", i)
		case seen[name]:
			p.add("tiers", "has the tier %q twice", name)
		}
		seen[name] = true
		p.at = "tiers." + name + "."
		if len(keys) == 0 {
			p.add("keys", "is empty, so nobody is in the tier")
		}
		if slices.Contains(keys, "") {
			p.add("keys", "holds an empty key")
		}
	}
	p.at = ""
}

// Validate returns all problems of the configuration, each a [*gabion.FieldError], joined.
func (c RequestsConfig) Validate() error {
	var p problems
	own := RequestsValues{Rate: c.Rate, Burst: c.Burst}
	p.values(c.Sliding, own, own)
	p.maxKeys(c.MaxKeys)
	p.tiers(len(c.Tiers), func(i int) (string, []string) { return c.Tiers[i].Name, c.Tiers[i].Keys })
	if len(p.all) > 0 && c.Rate == (Rate{}) {
		return errors.Join(p.all...) // what tiers take from the limit itself is not known
	}
	for _, t := range c.Tiers {
		p.at = "tiers." + t.Name + "."
		given := RequestsValues{Rate: t.Rate, Burst: t.Burst}
		p.values(c.Sliding, given, c.effective(given))
	}
	for _, key := range slices.Sorted(maps.Keys(c.Overrides)) {
		p.at = "overrides." + key + "."
		p.values(c.Sliding, c.Overrides[key], c.effective(c.Overrides[key]))
	}
	return errors.Join(p.all...)
}

// Validate returns all problems of the configuration, each a [*gabion.FieldError], joined.
func (c ServerTimeConfig) Validate() error {
	var p problems
	if c.Quota == (Quota{}) && c.Concurrency == 0 {
		p.add("server_time", "is missing: say how much is allowed in a time, such as 2s/10s, or set concurrency")
	}
	p.quota(c.Quota)
	p.notNegative("concurrency", c.Concurrency)
	p.maxKeys(c.MaxKeys)
	if c.Estimate < 0 {
		p.add("estimate", "is %v, must be positive (0 means that it is learned)", c.Estimate)
	}
	p.tiers(len(c.Tiers), func(i int) (string, []string) { return c.Tiers[i].Name, c.Tiers[i].Keys })
	for _, t := range c.Tiers {
		p.at = "tiers." + t.Name + "."
		p.quota(t.Quota)
		p.notNegative("concurrency", t.Concurrency)
	}
	for _, key := range slices.Sorted(maps.Keys(c.Overrides)) {
		p.at = "overrides." + key + "."
		p.quota(c.Overrides[key].Quota)
		p.notNegative("concurrency", c.Overrides[key].Concurrency)
	}
	return errors.Join(p.all...)
}
