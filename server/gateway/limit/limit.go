// Package limit applies the limits of a route to its requests: by count, by server time and by requests in flight, for
// each key. It decides on the head of the request alone, before the body is read.
//
// Several limits are one decision: when one refuses, what the others had granted is given back.
package limit

import (
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/ratelimit"
	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/gateway/exchange"
)

// Limit is one rule of the configuration. It is immutable; what its keys have used lives on in the next one of the
// same name, see [New].
type Limit struct {
	name     string
	shadow   bool
	parts    []part
	requests *ratelimit.Requests   // nil when not limited
	time     *ratelimit.ServerTime // nil when neither server time nor concurrency is limited
	observer gabion.Observer
	counts   *[kinds][outcomes]atomic.Uint64
}

// part is one thing that a key is made of; header is its name for "header:NAME".
type part struct{ kind, header string }

// New makes a limit of a validated configuration. When old, the limit of the same name so far, is given, what its keys
// have used goes on counting.
func New(name string, cfg config.Limit, old *Limit, observer gabion.Observer) (*Limit, error) {
	l := &Limit{name: name, shadow: cfg.Mode == "shadow", observer: observer, counts: new([kinds][outcomes]atomic.Uint64)}
	if old != nil {
		l.counts, l.requests, l.time = old.counts, old.requests, old.time
	}
	for _, key := range cfg.Key {
		kind, header, _ := strings.Cut(key, ":")
		l.parts = append(l.parts, part{kind, header})
	}
	if err := l.limitRequests(cfg); err != nil {
		return nil, err
	}
	return l, l.limitTime(cfg)
}

func (l *Limit) limitRequests(cfg config.Limit) (err error) {
	limits := ratelimit.RequestsConfig{Name: l.name, Rate: cfg.Requests, Burst: cfg.Burst, Overrides: map[string]ratelimit.RequestsValues{}}
	used := cfg.Requests.Count > 0
	for _, name := range slices.Sorted(maps.Keys(cfg.Tiers)) { // the first that matches a key counts
		tier := cfg.Tiers[name]
		limits.Tiers = append(limits.Tiers, ratelimit.RequestsTier{Name: name, Keys: tier.Keys, Rate: tier.Requests, Burst: tier.Burst})
	}
	for key, values := range cfg.Overrides {
		limits.Overrides[key] = ratelimit.RequestsValues{Rate: values.Requests, Burst: values.Burst}
	}
	switch {
	case !used:
		l.requests = nil
	case l.requests == nil:
		l.requests, err = ratelimit.NewRequests(limits)
	default:
		err = l.requests.Update(limits)
	}
	return err
}

func (l *Limit) limitTime(cfg config.Limit) (err error) {
	limits := ratelimit.ServerTimeConfig{
		Name: l.name, Quota: cfg.ServerTime, Concurrency: cfg.Concurrency, Overrides: map[string]ratelimit.ServerTimeValues{},
	}
	used := cfg.ServerTime.Time > 0 || cfg.Concurrency > 0
	for _, name := range slices.Sorted(maps.Keys(cfg.Tiers)) {
		tier := cfg.Tiers[name]
		limits.Tiers = append(limits.Tiers, ratelimit.ServerTimeTier{Name: name, Keys: tier.Keys, Quota: tier.ServerTime, Concurrency: tier.Concurrency})
	}
	for key, values := range cfg.Overrides {
		limits.Overrides[key] = ratelimit.ServerTimeValues{Quota: values.ServerTime, Concurrency: values.Concurrency}
	}
	switch {
	case !used:
		l.time = nil
	case l.time == nil:
		l.time, err = ratelimit.NewServerTime(limits)
	default:
		err = l.time.Update(limits)
	}
	return err
}

// key is whose request it is. The parts of a composite key are joined by a byte that no part can hold.
func (l *Limit) key(x *exchange.Exchange) string {
	if len(l.parts) == 1 {
		return l.parts[0].of(x)
	}
	var b strings.Builder
	for i, p := range l.parts {
		if i > 0 {
			b.WriteByte(0)
		}
		b.WriteString(p.of(x))
	}
	return b.String()
}

func (p part) of(x *exchange.Exchange) string {
	switch p.kind {
	case "identity":
		return x.Identity
	case "ip":
		return x.Request.From
	case "header":
		return x.Request.Header.Get(p.header)
	case "route":
		return x.Record.Route
	}
	return "" // global: one key for all
}
