package event

import (
	"context"
	"log/slog"
	"time"

	"github.com/gabion-io/gabion"
)

// followBuffer is how many events a follower may be behind before it loses some.
const followBuffer = 256

// Follow is one follower of a [Log].
type Follow struct {
	// C gives the events as they happen. It is closed when the follower's context ends or the Log is closed.
	C <-chan Event

	log  *Log
	c    chan Event
	lost uint64
}

// Subscribe follows the log from now on, until ctx ends. A follower that is slow loses events, never holds up the
// others: what it lost can be read with [Log.Since].
func (l *Log) Subscribe(ctx context.Context) *Follow {
	c := make(chan Event, followBuffer)
	f := &Follow{C: c, c: c, log: l}
	l.mu.Lock()
	l.follows[f] = struct{}{}
	if l.closed {
		l.unfollow(f)
	}
	l.mu.Unlock()
	context.AfterFunc(ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.unfollow(f)
	})
	return f
}

// Lost is how many events the follower has lost.
func (f *Follow) Lost() uint64 {
	f.log.mu.Lock()
	defer f.log.mu.Unlock()
	return f.lost
}

// offer hands the event on if there is room. The log's lock is held.
func (f *Follow) offer(e Event) {
	select {
	case f.c <- e:
	default:
		f.lost++
		f.log.lost++
	}
}

// unfollow ends the following once. The lock is held.
func (l *Log) unfollow(f *Follow) {
	if _, ok := l.follows[f]; ok {
		delete(l.follows, f)
		close(f.c)
	}
}

// sweepEvery is how often it is looked whether something that went on is over.
const sweepEvery = time.Second

// run writes events to the program's log and ends what went on, until the log is closed.
func (l *Log) run(ctx context.Context, follow *Follow) {
	var events <-chan Event
	if follow != nil {
		events = follow.C
	}
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case e, ok := <-events:
			if !ok {
				return
			}
			l.write(e)
		case <-tick.C:
			l.sweep(gabion.Now())
		case <-ctx.Done():
			if events == nil {
				return
			}
			for e := range events { // closed by Close: what is left in the buffer
				l.write(e)
			}
			return
		}
	}
}

func (l *Log) sweep(now gabion.Instant) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.spells.sweep(now) {
		l.add(e)
	}
}

// write puts one event into the program's log.
func (l *Log) write(e Event) {
	attrs := make([]slog.Attr, 0, 10)
	attrs = append(attrs, slog.Uint64("id", e.ID), slog.String("kind", string(e.Kind)))
	for _, a := range []struct{ key, value string }{
		{"service", e.Service},
		{"endpoint", e.Endpoint},
		{"route", e.Route},
		{"limit", e.Limit},
		{"key", e.Key},
		{"from", e.From},
		{"to", e.To},
		{"reason", e.Reason},
	} {
		if a.value != "" {
			attrs = append(attrs, slog.String(a.key, a.value))
		}
	}
	attrs = append(attrs, slog.Time("at", e.At))
	l.config.Logger.LogAttrs(context.Background(), slog.LevelInfo, "event", attrs...)
}
