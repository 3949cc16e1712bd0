package ratelimit

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/internal/script"
)

func TestScripts(t *testing.T) {
	script.Run(t, "testdata/*.txt", func(t *testing.T) func(script.Command) string {
		s := &scripted{t: t, charges: map[string]Charge{}}
		return s.answer
	})
}

// scripted is a limiter of either kind and its calls in flight, by name.
type scripted struct {
	t        *testing.T
	requests *Requests
	time     *ServerTime
	all      *Composite
	charges  map[string]Charge
}

func (s *scripted) answer(c script.Command) string {
	at := c.Duration(s.t, "at")
	switch c.Name {
	case "requests", "server_time", "update":
		return s.configure(c)
	case "composite":
		s.compose(c)
		return ""
	case "all":
		return s.askAll(c, at)
	case "take":
		return describe(s.requests.Take(at, c.Args[0], s.cost(c)))
	case "refund":
		s.requests.Refund(at, c.Args[0], s.number(c, "cost"))
		return ""
	case "begin":
		charge, d := s.time.Begin(at, c.Args[0])
		if d.OK {
			s.charges[c.Keys["as"]] = charge
		}
		return describe(d)
	case "settle":
		s.charges[c.Args[0]].Settle(at, c.Duration(s.t, "cost"))
		return ""
	case "cancel":
		s.charges[c.Args[0]].Cancel(at)
		return ""
	case "top":
		return s.top(at, s.number(c, "n"))
	case "snapshot":
		if s.time != nil {
			return fmt.Sprintf("%+v", s.time.Snapshot())
		}
		return fmt.Sprintf("%+v", s.requests.Snapshot())
	}
	s.t.Fatalf("line %d: unknown command %s", c.Line, c.Name)
	return ""
}

// cost is what a call costs, 1 where nothing is said.
func (s *scripted) cost(c script.Command) int {
	if c.Keys["cost"] == "" {
		return 1
	}
	return s.number(c, "cost")
}

// compose makes a composite of sliding windows, each with its rate.
func (s *scripted) compose(c script.Command) {
	var cfg CompositeConfig
	for _, name := range slices.Sorted(maps.Keys(c.Keys)) {
		cfg.Limits = append(cfg.Limits, mustRequests(s.t, RequestsConfig{Name: name, Rate: s.rate(c.Keys[name]), Sliding: true}))
	}
	all, err := NewComposite(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	s.all = all
}

func (s *scripted) askAll(c script.Command, at time.Duration) string {
	ticket, err := s.all.Acquire(WithCost(WithKey(s.t.Context(), c.Args[0]), s.cost(c)), at)
	if e, ok := errors.AsType[*gabion.Error](err); ok {
		if e.Until == 0 {
			return "refused by " + e.Name + " for ever"
		}
		return "refused by " + e.Name + " until " + e.Until.String()
	}
	result := gabion.Result{Began: at, Ended: at}
	if c.Keys["never_ran"] != "" {
		result = never(at)
	}
	s.all.Done(ticket, result)
	return "ok"
}

func (s *scripted) configure(c script.Command) (answer string) {
	var err error
	switch {
	case c.Name == "server_time":
		s.time, err = NewServerTime(s.serverTimeConfig(c))
	case c.Name == "requests":
		s.requests, err = NewRequests(s.requestsConfig(c))
	case s.time != nil:
		err = s.time.Update(s.serverTimeConfig(c))
	default:
		err = s.requests.Update(s.requestsConfig(c))
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func (s *scripted) requestsConfig(c script.Command) RequestsConfig {
	cfg := RequestsConfig{Rate: s.rate(c.Keys["rate"]), Burst: s.number(c, "burst"), MaxKeys: s.number(c, "max_keys"), Sliding: c.Keys["sliding"] != "", Overrides: map[string]RequestsValues{}}
	for _, key := range slices.Sorted(maps.Keys(c.Keys)) {
		kind, name, _ := strings.Cut(key, ":")
		v := strings.Split(c.Keys[key], ":")
		switch kind {
		case "tier":
			cfg.Tiers = append(cfg.Tiers, RequestsTier{Name: name, Keys: strings.Split(v[0], ","), Rate: s.rate(v[1])})
		case "override":
			values := RequestsValues{Rate: s.rate(v[0])}
			if len(v) > 1 {
				values.Burst, _ = strconv.Atoi(v[1])
			}
			cfg.Overrides[name] = values
		}
	}
	return cfg
}

func (s *scripted) serverTimeConfig(c script.Command) ServerTimeConfig {
	cfg := ServerTimeConfig{
		Quota: s.quota(c.Keys["quota"]), Concurrency: s.number(c, "concurrency"), Estimate: c.Duration(s.t, "estimate"),
		Overrides: map[string]ServerTimeValues{},
	}
	for key, value := range c.Keys {
		if name, ok := strings.CutPrefix(key, "override:"); ok {
			quota, concurrency, _ := strings.Cut(value, "::")
			n, err := strconv.Atoi(concurrency)
			if err != nil {
				s.t.Fatal(err)
			}
			cfg.Overrides[name] = ServerTimeValues{Quota: s.quota(quota), Concurrency: n}
		}
	}
	return cfg
}

func (s *scripted) top(at time.Duration, n int) string {
	var top []Usage
	if s.time != nil {
		top = s.time.Top(at, n)
	} else {
		top = s.requests.Top(at, n)
	}
	var lines []string
	for _, u := range top {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s requests=%d refused=%d server_time=%v in_flight=%d %s",
			u.Key, u.Requests, u.Refused, u.ServerTime, u.InFlight, u.Tier)))
	}
	return strings.Join(lines, "\n")
}

func (s *scripted) rate(text string) (r Rate) {
	if text == "" {
		return r
	}
	if err := r.UnmarshalText([]byte(text)); err != nil {
		s.t.Fatal(err)
	}
	return r
}

func (s *scripted) quota(text string) (q Quota) {
	if text == "" {
		return q
	}
	if err := q.UnmarshalText([]byte(text)); err != nil {
		s.t.Fatal(err)
	}
	return q
}

func (s *scripted) number(c script.Command, key string) int {
	if c.Keys[key] == "" {
		return 0
	}
	n, err := strconv.Atoi(c.Keys[key])
	if err != nil {
		s.t.Fatalf("line %d: %s: %v", c.Line, key, err)
	}
	return n
}

// describe is a decision as a script shows it.
func describe(d Decision) string {
	var words []string
	if d.OK {
		words = append(words, "ok")
	} else {
		retry := d.RetryAfter.String()
		if d.RetryAfter == Never {
			retry = "never"
		}
		words = append(words, "refused: "+d.Reason+", retry after "+retry)
	}
	if d.Limit > 0 {
		words = append(words, fmt.Sprintf("%d of %d left, full in %v of %v", d.Remaining, d.Limit, d.Reset, d.Window))
	}
	if d.Tier != "" {
		words = append(words, "tier "+d.Tier)
	}
	return strings.Join(words, "; ")
}
