package gabion

import (
	"context"
	"runtime"
	"sync"
	"time"
)

// race is a run and, after a while, others beside it.
type race[T any] struct {
	pipe *Pipe
	i    int
	f    func(context.Context) (T, error)

	ends chan end[T]
	mu   sync.Mutex
	won  bool // whatever ends now has lost
}

// end is how one of them ended.
type end[T any] struct {
	run    run
	v      T
	err    error
	took   Instant
	second bool
	// unwound is set when it did not return; panicked is the value of the panic, nil after runtime.Goexit.
	unwound  bool
	panicked any
}

// raced runs what stands at place i and further in, and again beside that when it takes long. Each run has a
// goroutine of its own, which ends when the function gives up as its context has ended.
func raced[T any](ctx context.Context, r *run, i int, plan Plan, f func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := &race[T]{pipe: r.pipe, i: i, f: f, ends: make(chan end[T], 1+MaxBeside)}
	go c.start(ctx, *r, false)
	timer := time.NewTimer(plan.Beside)
	defer timer.Stop()
	more := min(plan.Most, MaxBeside)
	for running := 1; ; {
		select {
		case <-timer.C:
			if now := Now(); more > 0 && (plan.Another == nil || plan.Another(now)) {
				later := *r
				later.now = now
				running++
				more--
				go c.start(ctx, later, true)
				timer.Reset(plan.Beside)
			}
		case e := <-c.ends:
			if running--; running == 0 || e.unwound || e.run.outcome == Success {
				c.decide()
				*r = e.run
				r.took, r.second = e.took, e.second
				return e.result()
			}
			discard(c.pipe, e.v, e.err)
		}
	}
}

// start is one run, on its own goroutine.
func (c *race[T]) start(ctx context.Context, r run, later bool) {
	caller := r.caller
	r.caller = ctx // a run that lost says nothing about the dependency
	e := end[T]{second: later, unwound: true}
	began := r.time()
	defer func() {
		if e.unwound {
			e.panicked = recover()
			r.now, r.outcome = 0, Failure
		}
		r.caller, e.run, e.took = caller, r, r.time()-began
		c.mu.Lock()
		defer c.mu.Unlock()
		if !c.won {
			c.ends <- e
		} else if !e.unwound {
			discard(c.pipe, e.v, e.err)
		}
	}()
	e.v, e.err = enter(ctx, &r, c.i, c.f)
	e.unwound = false
}

// decide ends the race. What the other runs give, or have given meanwhile, is discarded.
func (c *race[T]) decide() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.won = true
	for len(c.ends) > 0 {
		if other := <-c.ends; !other.unwound {
			discard(c.pipe, other.v, other.err)
		}
	}
}

// result passes on how the run ended, on the goroutine of the caller.
func (e *end[T]) result() (T, error) {
	if e.panicked != nil {
		panic(e.panicked)
	}
	if e.unwound {
		runtime.Goexit()
	}
	return e.v, e.err
}
