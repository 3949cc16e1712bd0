package gabion

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// bounds runs a test inside a bubble, with a context that is bounded to a second.
func bounds(t *testing.T, name string, f func(t *testing.T, ctx context.Context, b *bounded, leave context.CancelFunc)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			parent, leave := context.WithCancel(t.Context())
			defer leave()
			ctx, b := within(parent, Now()+time.Second)
			defer b.end()
			f(t, ctx, b, leave)
		})
	})
}

func TestBounded(t *testing.T) {
	bounds(t, "nobody waits", func(t *testing.T, ctx context.Context, b *bounded, _ context.CancelFunc) {
		if d, ok := ctx.Deadline(); !ok || time.Until(d) != time.Second || ctx.Err() != nil {
			t.Errorf("deadline %v, %v", d, ctx.Err())
		}
		if b.waited.Load() != nil {
			t.Error("a timer was made")
		}
		time.Sleep(time.Second)
		if !errors.Is(ctx.Err(), context.DeadlineExceeded) || !errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
			t.Errorf("afterwards: %v, %v", ctx.Err(), context.Cause(ctx))
		}
		<-ctx.Done()
	})
	bounds(t, "somebody waits", func(t *testing.T, ctx context.Context, _ *bounded, _ context.CancelFunc) {
		start := time.Now()
		<-ctx.Done()
		if took := time.Since(start); took != time.Second || !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			t.Errorf("after %v: %v", took, ctx.Err())
		}
	})
	bounds(t, "the caller leaves", func(t *testing.T, ctx context.Context, _ *bounded, leave context.CancelFunc) {
		leave()
		if !errors.Is(ctx.Err(), context.Canceled) {
			t.Errorf("%v", ctx.Err())
		}
		<-ctx.Done()
	})
	bounds(t, "the run is over", func(t *testing.T, ctx context.Context, b *bounded, _ context.CancelFunc) {
		b.end()
		if !errors.Is(ctx.Err(), context.Canceled) {
			t.Errorf("%v", ctx.Err())
		}
		time.Sleep(2 * time.Second)
		if <-ctx.Done(); !errors.Is(ctx.Err(), context.Canceled) {
			t.Errorf("later it says %v", ctx.Err())
		}
	})
	bounds(t, "the run is over for who waits", func(t *testing.T, ctx context.Context, b *bounded, _ context.CancelFunc) {
		done := ctx.Done()
		b.end()
		if <-done; !errors.Is(ctx.Err(), context.Canceled) {
			t.Errorf("%v", ctx.Err())
		}
	})
	bounds(t, "values", func(t *testing.T, _ context.Context, _ *bounded, _ context.CancelFunc) {
		type key struct{}
		ctx, b := within(context.WithValue(t.Context(), key{}, "v"), Now()+time.Second)
		defer b.end()
		if ctx.Value(key{}) != "v" {
			t.Error("lost before")
		}
		if ctx.Done(); ctx.Value(key{}) != "v" {
			t.Error("lost after somebody waits")
		}
	})
}

// TestBoundedHasChildren: contexts made of it end with it, and cost no goroutine.
func TestBoundedHasChildren(t *testing.T) {
	bounds(t, "", func(t *testing.T, ctx context.Context, _ *bounded, _ context.CancelFunc) {
		before := runtime.NumGoroutine()
		var children []context.Context
		for range 50 {
			child, cancel := context.WithCancel(ctx)
			defer cancel()
			children = append(children, child)
		}
		if n := runtime.NumGoroutine(); n > before {
			t.Errorf("%d goroutines more", n-before)
		}
		time.Sleep(time.Second)
		for _, child := range children {
			if <-child.Done(); !errors.Is(child.Err(), context.DeadlineExceeded) {
				t.Fatal(child.Err())
			}
		}
	})
}

func TestBoundedByTheNearerDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		caller, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if ctx, b := within(caller, Now()+2*time.Second); ctx != caller || b != nil {
			t.Error("a later deadline is bounded again")
		}
		outer, b := within(caller, Now()+time.Second/2)
		defer b.end()
		if ctx, inner := within(outer, Now()+time.Second); ctx != outer || inner != nil {
			t.Error("a later deadline inside is bounded again")
		}
		inner, nearer := within(outer, Now()+time.Second/4)
		defer nearer.end()
		start := time.Now()
		if <-inner.Done(); time.Since(start) != time.Second/4 || outer.Err() != nil {
			t.Errorf("after %v, outside: %v", time.Since(start), outer.Err())
		}
	})
}

// TestBoundedIsSafe lets all of it happen at once.
func TestBoundedIsSafe(t *testing.T) {
	for range 200 {
		parent, leave := context.WithCancel(t.Context())
		ctx, b := within(parent, Now()+50*time.Microsecond)
		var all sync.WaitGroup
		for _, f := range []func(){
			b.end, leave, func() { <-ctx.Done() }, func() { <-ctx.Done() },
			func() {
				first := ctx.Err()
				if later := ctx.Err(); first != nil && !errors.Is(later, first) {
					t.Errorf("first %v, then %v", first, later)
				}
			},
		} {
			all.Go(f)
		}
		all.Wait()
		if ctx.Err() == nil {
			t.Fatal("it has not ended")
		}
	}
}
