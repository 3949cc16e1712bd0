package shed

import (
	"context"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/internal/admission"
)

// waiter is a call in the queue.
type waiter struct {
	admission.Waiter
	decided chan struct{} // closed when it may start or was refused
	why     reason        // how it was decided
}

// reason is why a call was refused.
type reason int

const (
	granted   reason = iota // it was not
	full                    // it could not have been answered in time
	displaced               // it made room for another
	expired                 // it waited for as long as it could
	gone                    // its caller went away
	reasons
)

// String returns the word that events have.
func (r reason) String() string {
	return [reasons]string{"granted", "full", "displaced", "expired", "gone"}[r]
}

// hints are made once: a refusal must cost little.
var hints = [reasons]string{
	full:      "more calls wait already than can be answered in time",
	displaced: "it made room in the queue for a call of a higher priority, or of a tenant that has fewer there",
	expired:   "it waited for so long that its answer would come too late",
}

// classOf is the call's priority as the core counts it: 0 is the highest.
func classOf(ctx context.Context) int {
	return int(gabion.Critical - min(max(gabion.PriorityOf(ctx), gabion.Sheddable), gabion.Critical))
}

// lineUp puts a call into the queue, and says how long it may wait there. The waiter is nil when the case is decided at once.
func (s *Shedder) lineUp(ctx context.Context, now gabion.Instant) (w *waiter, longest time.Duration, why reason) {
	class, tenant := classOf(ctx), gabion.TenantOf(ctx)
	deadline, bounded := ctx.Deadline()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.core.Arrive(now, class, tenant) {
	case admission.Start:
		return nil, 0, granted
	case admission.Refuse:
		return nil, 0, full
	case admission.Queue:
	}
	longest = s.core.Patience()
	if bounded { // the call itself needs time, too
		longest = min(longest, gabion.InstantOf(deadline)-now-s.core.Usual())
	}
	if longest <= 0 {
		return nil, 0, expired
	}
	w = &waiter{Waiter: admission.Waiter{Class: class, Tenant: tenant}, decided: make(chan struct{})}
	w.Owner = w
	if evicted := s.core.Push(now, &w.Waiter); evicted != nil {
		evicted.Owner.(*waiter).decide(displaced)
	}
	s.dispatch(now)
	return w, longest, granted
}

func (w *waiter) decide(why reason) {
	w.why = why
	close(w.decided)
}

// dispatch starts those whose turn it is while there is room. The lock is held.
func (s *Shedder) dispatch(now gabion.Instant) {
	for {
		next, start := s.core.Next(now)
		if next == nil {
			return
		}
		w := next.Owner.(*waiter)
		if !start {
			w.decide(expired)
			continue
		}
		s.waited++
		s.wait += max(0, now-w.Since)
		w.decide(granted)
	}
}

// await waits until the case is decided, and says how.
func (s *Shedder) await(ctx context.Context, w *waiter, longest time.Duration) reason {
	timer := time.NewTimer(longest)
	defer timer.Stop()
	select {
	case <-w.decided:
	case <-timer.C:
	case <-ctx.Done():
	}
	if ctx.Err() != nil { // whoever has gone away needs no place, even if it was granted just now
		return s.abandon(w)
	}
	return s.expire(w)
}

// expire refuses a call that has waited for too long, unless its case has been decided.
func (s *Shedder) expire(w *waiter) reason {
	select {
	case <-w.decided:
		return w.why
	default:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.core.Expire(gabion.Now(), &w.Waiter) {
		return expired
	}
	return w.why
}

// abandon takes a call whose caller went away out of the queue. If it was refused before, that stands.
func (s *Shedder) abandon(w *waiter) reason {
	s.mu.Lock()
	left := s.core.Leave(&w.Waiter)
	s.mu.Unlock()
	switch {
	case left:
		return gone
	case w.why == granted:
		s.release()
		return gone
	}
	return w.why
}
