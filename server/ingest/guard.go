package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/internal/gcra"
	"github.com/gabion-io/gabion/server/logs/entry"
)

// Limits bound what each service may write.
type Limits struct {
	// Lines per second. Default: 5,000. At most a million.
	Lines int64
	// Bytes per second, each line rounded up to 64. Default: 4 MiB. At most 256 MiB.
	Bytes int64
	// Burst is how many seconds of both may come at once. Default: 10 s. A burst of bytes is at least 2 MiB, so the longest
	// line fits.
	Burst time.Duration
	// Services is how many services have quotas and counts of their own; all others share one, see [Others]. Default: 1,000.
	Services int
	// Ahead is how far the clock of a sender may be ahead. The time of lines beyond is set to now, since a line of next
	// year would be kept until then. Default: 1 h.
	Ahead time.Duration
}

// unit is so many bytes: a bucket counts at most 10 million units a second.
const unit = 64

// Others is the service under whose name all are counted for which there was no room.
const Others = "(others)"

// idle is how long a service is remembered that writes nothing, when there is no room for another.
const idle = 10 * time.Minute

// Guard stands before a sink. It bounds lines and bytes of each service, cuts lines that are too long, and counts what
// it drops. When a service is over its quota, lines of level trace and debug go first: they may use only the upper half
// of a bucket. Only when no line of a batch can be taken is the sender asked to come again. It never waits for anything
// but the sink. Make it with [NewGuard].
type Guard struct {
	sink   Sink
	limits Limits
	rules  [2]gcra.Rule // of lines and of units

	mu       sync.Mutex
	services map[string]*service
	swept    gabion.Instant
}

// service is a service's buckets and counts.
type service struct {
	full   [2]gabion.Instant
	used   gabion.Instant
	counts [reasons]count
}

// NewGuard makes a guard. Its error says which limit is impossible.
func NewGuard(sink Sink, limits Limits) (*Guard, error) {
	l := limits
	l.Lines, l.Bytes, l.Burst = or(l.Lines, 5000), or(l.Bytes, 4<<20), or(l.Burst, 10*time.Second)
	l.Services, l.Ahead = or(l.Services, 1000), or(l.Ahead, time.Hour)
	switch {
	case l.Lines < 1 || l.Lines > 1e6:
		return nil, fmt.Errorf("%d lines per second of a service: must be 1 to a million", l.Lines)
	case l.Bytes < unit || l.Bytes > 256<<20:
		return nil, fmt.Errorf("%d bytes per second of a service: must be %d to 256 MiB", l.Bytes, unit)
	case l.Burst < time.Second || l.Burst > time.Hour:
		return nil, fmt.Errorf("a burst of %v: must be 1 s to 1 h", l.Burst)
	case l.Services < 1 || l.Ahead < 0:
		return nil, errors.New("the number of services must be positive, and the time ahead must not be negative")
	}
	seconds, units := int64(l.Burst/time.Second), l.Bytes/unit
	return &Guard{
		sink: sink, limits: l, services: map[string]*service{Others: {}},
		rules: [2]gcra.Rule{
			gcra.Count(l.Lines, time.Second, max(l.Lines*seconds, 2)), // half of it is one line of level debug
			gcra.Count(units, time.Second, max(units*seconds, 2<<20/unit)),
		},
	}, nil
}

// Append gives the lines that are within the quotas of their services to the sink. Its errors are those of [Sink].
func (g *Guard) Append(ctx context.Context, producer string, lines []entry.Entry) error {
	return g.append(ctx, producer, lines, false)
}

// Whole is the same guard for those who can wait, such as who reads files: when one line of a batch is over quota, none is
// taken, and the error is a [*FullError]. A batch may be too large to be ever within it, so it must be made smaller then.
func (g *Guard) Whole() Sink { return whole{g} }

type whole struct{ guard *Guard }

func (w whole) Append(ctx context.Context, producer string, lines []entry.Entry) error {
	return w.guard.append(ctx, producer, lines, true)
}

func (g *Guard) append(ctx context.Context, producer string, lines []entry.Entry, all bool) error {
	if len(lines) == 0 {
		return nil
	}
	wall := time.Now()
	for i := range lines {
		tidy(&lines[i])
	}
	taken, dropped, wait := g.admit(gabion.Now(), wall, lines, all)
	if len(dropped) == len(lines) {
		return &FullError{After: wait, Reason: "the quota of service " + name(lines[0].Service) + " (ingest.per_service) is used up"}
	}
	if err := g.sink.Append(ctx, producer, keep(lines, dropped)); err != nil {
		return g.failed(err, taken, lines, dropped)
	}
	if len(dropped) > 0 {
		return &PartialError{Dropped: dropped, Reason: "the quota of their service (ingest.per_service) is used up"}
	}
	return nil
}

// tidy makes all text of a line valid, so that no reader of it ever stumbles.
func tidy(e *entry.Entry) {
	for _, s := range []*string{&e.Service, &e.Instance, &e.Handler, &e.Trace, &e.Span, &e.Message} {
		*s = strings.ToValidUTF8(*s, "\uFFFD")
	}
	for i := range e.Attrs {
		a := &e.Attrs[i]
		a.Name, a.Value = strings.ToValidUTF8(a.Name, "\uFFFD"), strings.ToValidUTF8(a.Value, "\uFFFD")
	}
}

// keep copies the lines that are not dropped, unless all are kept.
func keep(lines []entry.Entry, dropped []int) []entry.Entry {
	if len(dropped) == 0 {
		return lines
	}
	kept := make([]entry.Entry, 0, len(lines)-len(dropped))
	for _, i := range left(len(lines), dropped) {
		kept = append(kept, lines[i])
	}
	return kept
}

// left is the indexes below n that are not dropped.
func left(n int, dropped []int) []int {
	list := make([]int, 0, n-len(dropped))
	for i := range n {
		if len(dropped) > 0 && dropped[0] == i {
			dropped = dropped[1:]
			continue
		}
		list = append(list, i)
	}
	return list
}

// admit takes from the buckets for as many lines as they hold, those that matter first. It returns what it took of each
// service, the indexes of the lines that are dropped, and how long until the first of them could be taken.
func (g *Guard) admit(now gabion.Instant, wall time.Time, lines []entry.Entry, all bool) (taken map[*service][2]int64, dropped []int, wait time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	taken = make(map[*service][2]int64, 1)
	latest := wall.Add(g.limits.Ahead).UnixNano()
	for _, minor := range []bool{false, true} {
		for i := range lines {
			e := &lines[i]
			if (e.Level == entry.Trace || e.Level == entry.Debug) != minor {
				continue
			}
			cut := e.Trim() != ""
			s := g.of(e.Service, now)
			if cut {
				s.counts[Cut].add(e)
			}
			if e.Time == 0 {
				e.Time = wall.UnixNano()
			} else if e.Time > latest {
				e.Time = wall.UnixNano()
				s.counts[Clock].add(e)
			}
			units := [2]int64{1, int64(e.Size()+unit-1) / unit}
			until := g.take(s, now, units, minor)
			if until == 0 {
				t := taken[s]
				taken[s] = [2]int64{t[0] + units[0], t[1] + units[1]}
				continue
			}
			if len(dropped) == 0 || until < wait {
				wait = until
			}
			dropped = append(dropped, i)
		}
	}
	slices.Sort(dropped)
	if all && len(dropped) > 0 {
		g.giveBack(taken, now)
		dropped = left(len(lines), nil)
	}
	g.countDropped(lines, dropped)
	return taken, dropped, wait
}

// take takes from both buckets or from none, and returns how long until it could. Minor lines leave the lower half of
// each bucket to others.
func (g *Guard) take(s *service, now gabion.Instant, units [2]int64, minor bool) time.Duration {
	var next [2]gabion.Instant
	for i, rule := range g.rules {
		full, wait := rule.Take(s.full[i], now, units[i])
		if wait == 0 && minor {
			wait = max(gcra.Missing(full, now)-rule.Capacity()/2, 0)
		}
		if wait > 0 {
			return wait
		}
		next[i] = full
	}
	s.full = next
	return 0
}

// failed gives back what was taken for lines that the sink did not take, and counts them.
func (g *Guard) failed(err error, taken map[*service][2]int64, lines []entry.Entry, dropped []int) error {
	some, whole := Partial(err)
	g.mu.Lock()
	defer g.mu.Unlock()
	now, given := gabion.Now(), left(len(lines), dropped)
	if whole == nil { // its indexes are those of the lines that were given to the sink
		for _, i := range some.Dropped {
			e := &lines[given[i]]
			g.of(e.Service, now).counts[Sunk].add(e)
			dropped = append(dropped, given[i])
		}
		slices.Sort(dropped)
		return &PartialError{Dropped: dropped, Reason: some.Reason}
	}
	reason := Deferred
	if errors.Is(err, ErrRefused) {
		reason = Sunk
	}
	g.giveBack(taken, now)
	for _, i := range given {
		g.of(lines[i].Service, now).counts[reason].add(&lines[i])
	}
	return err
}

// giveBack puts back what was taken.
func (g *Guard) giveBack(taken map[*service][2]int64, now gabion.Instant) {
	for s, units := range taken {
		for i, rule := range g.rules {
			s.full[i] = gcra.Refund(s.full[i], now, rule.Span(units[i]))
		}
	}
}

// name is what a service is called in a text for people.
func name(service string) string {
	if service == "" {
		return "(none)"
	}
	return service
}
