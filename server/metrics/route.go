package metrics

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/gabion-io/gabion/server/gateway/exchange"
	"github.com/gabion-io/gabion/server/metrics/histogram"
	"github.com/gabion-io/gabion/server/status"
)

// The codes that have a counter of their own. What is outside counts as "other", and 0 as "none".
const (
	firstCode = 100
	lastCode  = 599
)

// Route counts the exchanges of one route. Get it from [Metrics.Route]. It is safe for concurrent use.
type Route struct {
	inFlight atomic.Int64
	codes    [lastCode - firstCode + 1]atomic.Uint64
	none     atomic.Uint64
	other    atomic.Uint64
	retries  atomic.Uint64

	duration, received, sent *histogram.Histogram

	fallbacks, problems tally
}

func newRoute() *Route {
	return &Route{duration: histogram.Durations(), received: histogram.Sizes(), sent: histogram.Sizes()}
}

// Enter counts an exchange as in flight.
func (r *Route) Enter() { r.inFlight.Add(1) }

// Leave counts an exchange that was entered as ended, after the time that it took. The time of one that changed
// protocols is not counted: it says how long a connection was open, not how long somebody waited.
func (r *Route) Leave(e *exchange.Record, took time.Duration) {
	r.inFlight.Add(-1)
	r.code(e.Status).Add(1)
	if !e.Upgraded {
		r.duration.Took(took)
	}
	r.received.Size(e.Received)
	r.sent.Size(e.Sent)
	if e.Attempts > 1 {
		r.retries.Add(uint64(e.Attempts - 1))
	}
	if e.Degraded != "" {
		r.fallbacks.add(e.Degraded)
	}
	if e.Problem != "" {
		r.problems.add(e.Problem)
	}
}

func (r *Route) code(code int) *atomic.Uint64 {
	switch {
	case code == 0:
		return &r.none
	case code < firstCode || code > lastCode:
		return &r.other
	}
	return &r.codes[code-firstCode]
}

// eachCode calls f with every code that was seen and its count, and returns their sum.
func (r *Route) eachCode(f func(code string, count uint64)) (sum uint64) {
	see := func(code string, counter *atomic.Uint64) {
		if count := counter.Load(); count > 0 {
			sum += count
			f(code, count)
		}
	}
	for i := range r.codes {
		if r.codes[i].Load() > 0 {
			see(strconv.Itoa(firstCode+i), &r.codes[i])
		}
	}
	see("none", &r.none)
	see("other", &r.other)
	return sum
}

func (r shownRoute) status() status.Route {
	s := status.Route{
		Name: r.key.name, Service: r.key.service, Owner: r.owner,
		InFlight: int(r.inFlight.Load()), Codes: map[string]uint64{},
		Retries: r.retries.Load(), Duration: r.duration.Status(),
	}
	s.Requests = r.eachCode(func(code string, count uint64) { s.Codes[code] = count })
	s.Fallbacks = r.fallbacks.each(func(string, uint64) {})
	return s
}
