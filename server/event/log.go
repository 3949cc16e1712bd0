package event

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/gabion-io/gabion"
)

// Config is what a [Log] is made of. The zero value of every field means its default.
type Config struct {
	// Keep is how many events are remembered; older ones are forgotten. Default: 4096.
	Keep int
	// Logger also gets every event as one record, from a goroutine of the Log's own, so that a stalled log never
	// holds up who adds. Default: events are not logged.
	Logger *slog.Logger
	// Quiet is how long something that was told by [Log.Ongoing] must not have happened to be over. Default: 10s.
	Quiet time.Duration
}

// Log remembers the last events, hands them to those who follow, and writes them to the program's log. It is a
// [Sink] and safe for concurrent use. Make it with [NewLog] and end it with [Log.Close].
type Log struct {
	config Config

	mu      sync.Mutex
	ring    []Event // grows up to Keep, then wraps: the event with ID n is at (n-1) mod Keep
	last    uint64  // ID of the newest event
	spells  *spells
	follows map[*Follow]struct{}
	counts  map[Kind]uint64
	lost    uint64 // by followers that were too slow
	closed  bool

	stop context.CancelFunc
	done sync.WaitGroup
}

// NewLog makes a log and starts its goroutine.
func NewLog(cfg Config) *Log {
	cfg.Keep = cmp.Or(max(cfg.Keep, 0), 4096)
	cfg.Quiet = cmp.Or(max(cfg.Quiet, 0), 10*time.Second)
	ctx, stop := context.WithCancel(context.Background())
	l := &Log{
		config: cfg, spells: newSpells(cfg.Quiet), follows: map[*Follow]struct{}{}, counts: map[Kind]uint64{}, stop: stop,
	}
	var follow *Follow
	if cfg.Logger != nil {
		follow = l.Subscribe(ctx)
	}
	l.done.Go(func() { l.run(ctx, follow) })
	return l
}

// Add takes an event, gives it its ID, and its time when it has none. It never blocks.
func (l *Log) Add(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(e)
}

func (l *Log) add(e Event) {
	if e.At.IsZero() {
		e.At = time.Now()
	}
	e.At = e.At.UTC()
	l.last++
	e.ID = l.last
	if len(l.ring) < l.config.Keep {
		l.ring = append(l.ring, e)
	} else {
		l.ring[(e.ID-1)%uint64(l.config.Keep)] = e
	}
	l.counts[e.Kind]++
	for f := range l.follows {
		f.offer(e)
	}
}

// Ongoing tells that something happens that can happen many times in a row, such as a limit that refuses a key. The
// first time is added as an event; then nothing, until it has not happened for the time of Config.Quiet: that adds
// one event with From and To exchanged and the number of times in Reason. Events are the same when they agree in
// Kind and all names. Both the number of things that go on at once and the rate of their events are bounded; what is
// beyond is told as one. It never blocks, and costs little when nothing has to be added.
func (l *Log) Ongoing(e Event) {
	l.ongoing(spellKey{scopeOf(&e, e.Kind), e.Key}, func() Event { return e })
}

// ongoing is Ongoing for an event that is made only when it is needed.
func (l *Log) ongoing(key spellKey, event func() Event) {
	now := gabion.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, began := l.spells.note(key, event, now); began {
		l.add(e)
	}
}

// Page is a part of the log.
type Page struct {
	Events []Event `json:"events"`
	// Last is the ID of the newest event of all: ask for what came since to continue when Events reaches it.
	Last uint64 `json:"last"`
	// Missed is how many events between the ID asked for and the first one here are already forgotten.
	Missed uint64 `json:"missed"`
}

// Since returns the events with an ID greater than id, oldest first, at most limit of them (0: all).
// An ID from the future, such as one of an earlier process, gives everything.
func (l *Log) Since(id uint64, limit int) Page {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := Page{Last: l.last, Events: []Event{}}
	if id > l.last {
		id = 0
	}
	oldest := l.last - uint64(len(l.ring)) // the newest ID that is forgotten
	if id < oldest {
		p.Missed, id = oldest-id, oldest
	}
	n := l.last - id
	if limit > 0 {
		n = min(n, uint64(limit))
	}
	for range n {
		p.Events = append(p.Events, l.ring[id%uint64(l.config.Keep)])
		id++
	}
	return p
}

// Recent returns the last n events, oldest first.
func (l *Log) Recent(n int) []Event {
	l.mu.Lock()
	last := l.last
	l.mu.Unlock()
	if n <= 0 {
		return []Event{}
	}
	return l.Since(last-min(last, uint64(n)), n).Events
}

// Counts returns how many events of each kind there were, and how many were lost by followers that were too slow.
func (l *Log) Counts() (byKind map[Kind]uint64, lost uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.counts), l.lost
}

// Close ends everybody's following, writes what is not yet logged, and waits until that is done: a Logger that stalls
// holds it up. The log can still be added to and read, but is not followed or written any more.
func (l *Log) Close() {
	l.stop()
	l.mu.Lock()
	l.closed = true
	for f := range l.follows {
		l.unfollow(f)
	}
	l.mu.Unlock()
	l.done.Wait()
}
