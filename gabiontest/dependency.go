package gabiontest

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"time"
)

// TB is the part of testing.TB that this package needs.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
	Cleanup(f func())
}

// Dependency stands for a system that is called, and fails on order. It is a function ([Dependency.Call], [Value]), an
// http.Handler and an http.RoundTripper, safe for concurrent use. Make it with [New].
type Dependency struct {
	t      TB
	answer http.Handler  // of requests that succeed
	closed chan struct{} // when the test is over

	mu    sync.Mutex
	rules []*ruled
	count Snapshot
	given int // errors that were injected

	// In [Survives] code that does not stop calling is stopped: calls beyond limit are held, and when the dependency is
	// closed the goroutines end that go on for more than a few calls.
	limit, after int
}

// Snapshot is what a [Dependency] has counted.
type Snapshot struct {
	// Calls is how many there have been, InFlight how many have not ended yet, Peak the most that there were at once.
	Calls, InFlight, Peak int
}

// New makes a dependency that does what the rules say: the first rule that is for a call is applied, and a call that no
// rule is for succeeds. It is closed when the test ends. Impossible rules fail the test.
func New(t TB, rules ...Rule) *Dependency {
	t.Helper()
	d := newDependency(t)
	d.Set(rules...)
	t.Cleanup(d.Close)
	return d
}

func newDependency(t TB) *Dependency {
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

// Close ends the calls that are held, with [ErrClosed]; later calls are not held any more. It may be called twice.
func (d *Dependency) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	select {
	case <-d.closed:
	default:
		close(d.closed)
	}
}

// Snapshot returns what has been counted.
func (d *Dependency) Snapshot() Snapshot {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.count
}

type keyKey struct{}

// WithKey gives the calls that are made with the context a key, for [Rule].Key.
func WithKey(ctx context.Context, key string) context.Context {
	return context.WithValue(ctx, keyKey{}, key)
}

func keyOf(ctx context.Context, none string) string {
	if key, ok := ctx.Value(keyKey{}).(string); ok {
		return key
	}
	return none
}

// Call is one call. One whose context has ended fails with the context's error, before any rule applies.
func (d *Dependency) Call(ctx context.Context) error {
	r := d.enter(ctx, keyOf(ctx, ""))
	defer d.exit()
	return d.act(ctx, r)
}

// Value makes d a function with a result: v, or the zero value and an error.
func Value[T any](d *Dependency, v T) func(context.Context) (T, error) {
	return func(ctx context.Context) (T, error) {
		if err := d.Call(ctx); err != nil {
			var none T
			return none, err
		}
		return v, nil
	}
}

// afterClose is how many calls are answered after the end before the goroutines of those who do not stop are ended.
const afterClose = 10

// enter counts a call that begins, and finds its rule.
func (d *Dependency) enter(ctx context.Context, key string) *ruled {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.count.Calls++
	d.count.InFlight++
	d.count.Peak = max(d.count.Peak, d.count.InFlight)
	if d.limit > 0 && d.count.Calls > d.limit {
		return &ruled{Rule: Rule{Mode: Freeze}}
	}
	if ctx.Err() == nil {
		for _, r := range d.rules {
			if r.takes(key) {
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

func (d *Dependency) isClosed() bool {
	select {
	case <-d.closed:
		return true
	default:
		return false
	}
}

// act does what the rule says, on the goroutine of the caller.
func (d *Dependency) act(ctx context.Context, r *ruled) error {
	if d.limit > 0 && d.isClosed() {
		return d.dismiss()
	}
	if err := ctx.Err(); err != nil && r.Mode != Freeze {
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
		return d.give(r.err())
	case Reset:
		return d.give(errReset())
	case Hang:
		return d.hold(ctx)
	case Freeze:
		return d.hold(context.WithoutCancel(ctx))
	case Panic:
		panic(PanicValue)
	case Goexit:
		runtime.Goexit()
	}
	return nil
}

// give counts an error that was injected.
func (d *Dependency) give(err error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.given++
	return err
}

func (d *Dependency) givenErrors() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.given
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
	return ErrClosed
}

// queue serves the call when it is its turn.
func (d *Dependency) queue(ctx context.Context, r *ruled) error {
	if !d.join(r) {
		return ErrOverloaded
	}
	defer d.leave(r)
	select {
	case r.places <- struct{}{}:
		defer func() { <-r.places }()
		return d.wait(ctx, r.Delay)
	case <-ctx.Done():
		return ctx.Err()
	case <-d.closed:
		return ErrClosed
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
		return ErrClosed
	}
}

// hold holds the call.
func (d *Dependency) hold(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-d.closed:
		return ErrClosed
	}
}

// String says what it has counted.
func (s Snapshot) String() string {
	return fmt.Sprintf("%d calls, %d in flight, %d at most", s.Calls, s.InFlight, s.Peak)
}
