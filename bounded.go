package gabion

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// bounded is a context that ends at a deadline. It costs a timer only when somebody waits for it: most calls are over
// long before, and never look.
type bounded struct {
	parent   context.Context
	deadline Instant

	// waited is the ordinary context that takes over when somebody waits, or finds that the time is over.
	waited atomic.Pointer[waited]
	mu     sync.Mutex // guards what follows, and that waited is made once
	ended  bool       // the run is over
}

type waited struct {
	context.Context
	cancel context.CancelFunc
}

// within bounds a context, which is as it was when it ends before that anyhow.
func within(ctx context.Context, deadline Instant) (_ context.Context, bound *bounded) {
	if outer, ok := ctx.(*bounded); ok {
		if outer.deadline <= deadline {
			return ctx, nil
		}
	} else if d, ok := ctx.Deadline(); ok && InstantOf(d) <= deadline {
		return ctx, nil
	}
	b := &bounded{parent: ctx, deadline: deadline}
	return b, b
}

// end says that the run is over, as a context.CancelFunc does.
func (b *bounded) end() {
	if b == nil {
		return
	}
	b.mu.Lock()
	b.ended = true
	b.mu.Unlock()
	if w := b.waited.Load(); w != nil {
		w.cancel()
	}
}

// wait makes the context that can be waited for.
func (b *bounded) wait() *waited {
	if w := b.waited.Load(); w != nil {
		return w
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if w := b.waited.Load(); w != nil {
		return w
	}
	ctx, cancel := context.WithDeadline(b.parent, timeOf(b.deadline))
	if b.ended {
		cancel()
	}
	w := &waited{ctx, cancel}
	b.waited.Store(w)
	return w
}

// Deadline implements context.Context.
func (b *bounded) Deadline() (time.Time, bool) { return timeOf(b.deadline), true }

// Done implements context.Context.
func (b *bounded) Done() <-chan struct{} { return b.wait().Done() }

// Err implements context.Context.
func (b *bounded) Err() error {
	if b.waited.Load() == nil {
		b.mu.Lock()
		ended := b.ended
		b.mu.Unlock()
		if err := b.parent.Err(); err == nil && !ended && Now() < b.deadline {
			return nil
		}
	}
	return b.wait().Err()
}

// Value implements context.Context. Package context finds out by a key of its own what can be waited for.
func (b *bounded) Value(key any) any {
	if w := b.waited.Load(); w != nil {
		return w.Value(key)
	}
	return b.parent.Value(key)
}

// String is for those who print contexts.
func (b *bounded) String() string { return "gabion.bounded" }
