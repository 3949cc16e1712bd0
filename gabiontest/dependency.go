package gabiontest

import (
	"context"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"time"
)

// Dependency stands for a system that is called, and fails on order. It is a function ([Dependency.Call]), an
// http.RoundTripper and an http.Handler, safe for concurrent use. Make it with [New].
type Dependency struct {
	t      testing.TB
	answer http.Handler  // of requests that succeed
	closed chan struct{} // when the test is over

	mu    sync.Mutex
	rules []*ruled
	count Snapshot
	given int // errors that calls failed with by order
	open  int // bodies of responses that are not closed

	// In a trial, code that does not stop calling is stopped: calls beyond limit are held, and goroutines that go on for
	// more than a few calls after the end are ended.
	limit, after int
}

// Snapshot is what a [Dependency] has counted.
type Snapshot struct {
	// Calls is how many there have been, InFlight how many have not ended yet, Peak the most that there were at once.
	Calls, InFlight, Peak int
}

// New makes a dependency that does what the rules say: the first rule that is for a call is applied, and a call that no
// rule is for succeeds. When the test ends, calls that are held fail. Impossible rules fail the test.
func New(t testing.TB, rules ...Rule) *Dependency {
	t.Helper()
	d := newDependency(t)
	d.Set(rules...)
	t.Cleanup(d.close)
	return d
}

func newDependency(t testing.TB) *Dependency {
	return &Dependency{t: t, answer: http.HandlerFunc(answerOK), closed: make(chan struct{})}
}

// Set replaces the rules, for calls that begin after it; they count from the start. Impossible rules fail the test and
// change nothing.
func (d *Dependency) Set(rules ...Rule) {
	d.t.Helper()
	fresh := make([]*ruled, len(rules))
	for i, r := range rules {
		if err := r.validate(); err != nil {
			d.t.Errorf("gabiontest: rule %d is impossible:\n%v", i+1, err)
			return
		}
		fresh[i] = &ruled{Rule: r, places: make(chan struct{}, max(r.Capacity, 1))}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rules = fresh
}

// close ends the calls that are held; later calls are not held any more. It may be called twice.
func (d *Dependency) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.isClosed() {
		close(d.closed)
	}
}

func (d *Dependency) isClosed() bool {
	select {
	case <-d.closed:
		return true
	default:
		return false
	}
}

// Snapshot returns what has been counted.
func (d *Dependency) Snapshot() Snapshot {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.count
}

// Call is one call. One whose context has ended fails with the context's error, before any rule applies.
func (d *Dependency) Call(ctx context.Context) error {
	r := d.enter(ctx, "")
	defer d.exit()
	err := d.act(ctx, r)
	d.give(r, err)
	return err
}

// afterClose is how many calls are answered after the end before the goroutines of those who do not stop are ended.
const afterClose = 10

// enter counts a call that begins, and finds its rule.
func (d *Dependency) enter(ctx context.Context, path string) *ruled {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.count.Calls++
	d.count.InFlight++
	d.count.Peak = max(d.count.Peak, d.count.InFlight)
	if d.limit > 0 && d.count.Calls > d.limit {
		return &ruled{Rule: Rule{Mode: stopped}}
	}
	if ctx.Err() == nil {
		for _, r := range d.rules {
			if r.takes(path) {
				return r
			}
		}
	}
	return &ruled{}
}

func (d *Dependency) exit() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.count.InFlight--
}

// give counts a call that fails by order.
func (d *Dependency) give(r *ruled, err error) {
	if err == nil || r.Mode != Error && r.Mode != Reset {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.given++
}

func (d *Dependency) givenErrors() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.given
}

// act does what the rule says, on the goroutine of the caller.
func (d *Dependency) act(ctx context.Context, r *ruled) error {
	if d.limit > 0 && d.isClosed() {
		return d.dismiss()
	}
	if r.Mode == stopped {
		return d.hold(context.WithoutCancel(ctx))
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if r.Mode == Overload {
		return d.queue(ctx, r)
	}
	if err := d.wait(ctx, r.Delay); err != nil {
		return err
	}
	switch r.Mode {
	case Error:
		return r.err()
	case Reset:
		return errReset()
	case Hang:
		return d.hold(ctx)
	case Panic:
		panic(panicValue)
	}
	return nil
}

// dismiss ends a call after the end of a trial.
func (d *Dependency) dismiss() error {
	d.mu.Lock()
	d.after++
	enough := d.after > afterClose
	d.mu.Unlock()
	if enough {
		runtime.Goexit()
	}
	return errClosed
}

// queue serves the call when it is its turn.
func (d *Dependency) queue(ctx context.Context, r *ruled) error {
	if !d.join(r) {
		return errOverloaded
	}
	defer d.leave(r)
	select {
	case r.places <- struct{}{}:
		defer func() { <-r.places }()
		return d.wait(ctx, r.Delay)
	case <-ctx.Done():
		return ctx.Err()
	case <-d.closed:
		return errClosed
	}
}

func (d *Dependency) join(r *ruled) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if r.inside >= cap(r.places)+r.Queue {
		return false
	}
	r.inside++
	return true
}

func (d *Dependency) leave(r *ruled) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r.inside--
}

// wait waits for delay.
func (d *Dependency) wait(ctx context.Context, delay time.Duration) error {
	if delay == 0 {
		return nil
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-d.closed:
		return errClosed
	}
}

// hold holds the call.
func (d *Dependency) hold(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-d.closed:
		return errClosed
	}
}
