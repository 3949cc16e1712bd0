package logql

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// Follower is a [Source] that also gives what comes in, as it comes in. [Live] is the part that does so.
type Follower interface {
	Source
	// Subscribe gives all new entries until the context ends. It fails with [ErrFollowers] when too many do so.
	Subscribe(ctx context.Context) (*Subscription, error)
}

// The bounds of following.
const (
	MaxFollowers = 64
	followBuffer = 4096 // entries that wait for one follower
)

// ErrFollowers says that [MaxFollowers] follow already.
var ErrFollowers = errors.New("too many follow the logs: end another one")

// Live hands entries to all who follow. The zero value is ready.
type Live struct {
	mu            sync.Mutex
	subscriptions map[*Subscription]struct{}
	count         atomic.Int32
}

// Subscription is what one follower gets.
type Subscription struct {
	entries chan *entry.Entry
	dropped atomic.Int64
}

// Entries gives the entries. It is closed when the context of the subscription ends. They are shared: nobody may change them.
func (s *Subscription) Entries() <-chan *entry.Entry { return s.entries }

// Dropped is how many entries the follower missed since the last call, because it was too slow.
func (s *Subscription) Dropped() int64 { return s.dropped.Swap(0) }

// Followed reports whether anybody follows, so that nobody need make an entry for no one.
func (l *Live) Followed() bool { return l.count.Load() > 0 }

// Publish hands an entry to all. It never waits: who is too slow misses it. The entry must not be changed afterwards.
func (l *Live) Publish(e *entry.Entry) {
	if !l.Followed() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for s := range l.subscriptions {
		select {
		case s.entries <- e:
		default:
			s.dropped.Add(1)
		}
	}
}

// Subscribe gives what is published from now on, until the context ends.
func (l *Live) Subscribe(ctx context.Context) (*Subscription, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.subscriptions) >= MaxFollowers {
		return nil, ErrFollowers
	}
	if l.subscriptions == nil {
		l.subscriptions = map[*Subscription]struct{}{}
	}
	s := &Subscription{entries: make(chan *entry.Entry, followBuffer)}
	l.subscriptions[s] = struct{}{}
	l.count.Add(1)
	context.AfterFunc(ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.subscriptions, s)
		l.count.Add(-1)
		close(s.entries)
	})
	return s, nil
}

// Tail is a log query over what comes in.
type Tail struct {
	subscription *Subscription
	query        Query
	steps        []step
	record       record
}

// ErrNoFollow says that the source cannot be followed.
var ErrNoFollow = errors.New("these logs cannot be followed")

// Follow answers a log query from what comes in from now on, until the context ends.
func (g *Engine) Follow(ctx context.Context, e *LogExpr) (*Tail, error) {
	source, ok := g.source.(Follower)
	if !ok {
		return nil, ErrNoFollow
	}
	steps, err := e.compile()
	if err != nil {
		return nil, err
	}
	subscription, err := source.Subscribe(ctx)
	if err != nil {
		return nil, err
	}
	const always = 1<<63 - 1
	return &Tail{subscription: subscription, query: plan(e, -always, always), steps: steps}, nil
}

// Dropped is how many entries were missed since the last call, before the query looked at them.
func (t *Tail) Dropped() int64 { return t.subscription.Dropped() }

// Next waits for lines, and gives all that are there, at most so many; none when the context ended.
func (t *Tail) Next(ctx context.Context, most int) []Line {
	var lines []Line
	for len(lines) < most {
		e := t.entry(ctx, len(lines) == 0)
		if e == nil {
			break
		}
		if !t.query.Match(e) {
			continue
		}
		if t.record.reset(e); apply(t.steps, &t.record) {
			lines = append(lines, t.record.line())
		}
	}
	return lines
}

// entry takes one from the subscription; nil when there is none, or none any more.
func (t *Tail) entry(ctx context.Context, wait bool) *entry.Entry {
	if !wait {
		select {
		case e := <-t.subscription.entries:
			return e
		default:
			return nil
		}
	}
	select {
	case e := <-t.subscription.entries:
		return e
	case <-ctx.Done():
		return nil
	}
}
