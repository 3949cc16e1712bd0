package gabiontest

import (
	"context"
	"fmt"
	"runtime"
	"runtime/pprof"
	"strings"
	"time"
)

// call is one call of the code under test, on a goroutine of its own.
type call struct {
	number   int
	done     chan struct{}
	err      error
	panicked any
	where    string // the function that panicked
	exited   bool
}

// start begins a call with a context that ends with it.
func start(ctx context.Context, number int, f func(context.Context) error) *call {
	c := &call{number: number, done: make(chan struct{})}
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		pprof.SetGoroutineLabels(ctx)
		defer close(c.done)
		defer cancel()
		defer func() {
			if c.panicked = recover(); c.panicked != nil {
				c.exited, c.where = false, panicking()
			}
		}()
		c.exited = true
		c.err = f(ctx)
		c.exited = false
	}()
	return c
}

// wait waits until the call has returned, up to and with the moment when the time is over.
func (c *call) wait(d time.Duration) {
	timer := time.NewTimer(d + 1)
	defer timer.Stop()
	select {
	case <-c.done:
	case <-timer.C:
	}
}

func (c *call) returned() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// ending says how a call ended that did not return an answer, "" if it did.
func (c *call) ending() (kind breakKind, happened string) {
	switch {
	case !c.returned():
		return late, ""
	case c.panicked != nil:
		return panicked, fmt.Sprintf("it panicked in %s: %v", c.where, c.panicked)
	case c.exited:
		return ended, "it ended its goroutine by runtime.Goexit"
	}
	return "", ""
}

// panicking is where the panic came from that is being recovered.
func panicking() string {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for unwinding := false; ; {
		f, more := frames.Next()
		if f.Function == "runtime.gopanic" {
			unwinding = true
		} else if unwinding && !strings.HasPrefix(f.Function, "runtime.") && !own(f.Function) {
			return fmt.Sprintf("%s (%s:%d)", f.Function, f.File, f.Line)
		}
		if !more {
			return "an unknown function"
		}
	}
}

// own says whether a function is one of this package, which are of no interest in reports.
func own(function string) bool {
	return strings.HasPrefix(function, "github.com/gabion-io/gabion/gabiontest.")
}
