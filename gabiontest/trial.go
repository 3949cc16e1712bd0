package gabiontest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/pprof"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion"
)

// trial is one mode of a case, within its bubble.
type trial struct {
	Case
	f      func(context.Context, *Dependency) error
	dep    *Dependency
	result *Result

	ctx    context.Context // of all calls; it carries the label
	cancel context.CancelFunc
	mark   string
	calls  []*call
}

func newTrial(t *testing.T, c Case, r *Result, f func(context.Context, *Dependency) error) *trial {
	r.Events = NewRecorder()
	tr := &trial{Case: c, f: f, dep: newDependency(t), result: r}
	tr.dep.limit = c.limit()
	ctx, cancel := context.WithCancel(context.Background())
	tr.cancel = cancel
	tr.ctx, tr.mark = label(ctx)
	return tr
}

// run finds out what breaks.
func (tr *trial) run(t *testing.T) {
	tr.dep.Set(tr.rule(tr.result.Mode))
	if tr.Setup != nil {
		tr.Setup(t, tr.result.Events)
	}
	if tr.result.Mode == Overload {
		tr.callTogether()
	} else {
		tr.callInTurn()
	}
	tr.result.Calls, tr.result.DependencyCalls = len(tr.calls), tr.dep.Snapshot().Calls
	tr.checkAmplification()
	if !tr.result.Broke(BreakLate) {
		tr.checkLeft()
		tr.checkRecovery()
	}
	for _, c := range tr.calls {
		if !c.returned() {
			tr.result.Errs = append(tr.result.Errs, nil)
			continue
		}
		tr.result.Errs = append(tr.result.Errs, c.err)
		tr.result.Longest = max(tr.result.Longest, c.took)
	}
	if tr.Survived != nil {
		if err := tr.Survived(*tr.result); err != nil {
			tr.result.broke(BreakRefused, "%v", err)
		}
	}
}

// callInTurn calls the function again and again, until a call breaks.
func (tr *trial) callInTurn() {
	for len(tr.calls) < tr.Calls && tr.result.Survived() {
		given := tr.dep.givenErrors()
		c := tr.start()
		c.wait(tr.Deadline)
		tr.checkCall(c)
		if tr.dep.givenErrors() > given {
			tr.checkCause(c)
		}
	}
}

// callTogether makes all calls at once.
func (tr *trial) callTogether() {
	began := time.Now()
	for range tr.Calls {
		tr.start()
	}
	for _, c := range tr.calls {
		c.wait(tr.Deadline - time.Since(began))
	}
	for _, c := range tr.calls {
		if tr.checkCall(c); !tr.result.Survived() {
			return // the others would say the same
		}
	}
}

func (tr *trial) checkCall(c *call) {
	which := fmt.Sprintf("call %d of %d", c.number, tr.Calls)
	switch {
	case !c.returned():
		tr.result.broke(BreakLate, "%s had not returned after %v\n%s", which, tr.Deadline, show(running(tr.mark, nil), "    "))
	case c.panicked != nil && !(tr.PanicsPass && c.panicked == PanicValue):
		tr.result.broke(BreakPanicked, "%s panicked in %s: %v", which, c.where, c.panicked)
	case c.exited && !(tr.PanicsPass && tr.result.Mode == Goexit):
		tr.result.broke(BreakPanicked, "%s ended its goroutine by runtime.Goexit", which)
	}
}

// checkCause is for calls of the function that were given an error by the dependency.
func (tr *trial) checkCause(c *call) {
	var cause error
	switch tr.result.Mode {
	case Error:
		cause = tr.rule(Error).err()
	case Reset:
		cause = syscall.ECONNRESET
	default:
		return
	}
	if c.returned() && c.err != nil && !errors.Is(c.err, cause) {
		tr.result.broke(BreakLostCause, "call %d of %d returned %q, in which errors.Is does not find %q",
			c.number, tr.Calls, c.err, cause)
	}
}

func (tr *trial) checkAmplification() {
	calls, made := tr.result.Calls, tr.result.DependencyCalls
	if tr.Amplification == gabion.Off || float64(made) <= tr.Amplification*float64(calls) {
		return
	}
	stopped := ""
	if made > tr.dep.limit {
		stopped = "; it was stopped there"
	}
	tr.result.broke(BreakAmplified, "%d calls called the dependency %d times, %.3g times each, allowed are %v%s",
		calls, made, float64(made)/float64(calls), tr.Amplification, stopped)
}

// checkLeft looks for what is left when all calls have returned: as a request's context ends with it, so do theirs.
func (tr *trial) checkLeft() {
	tr.settle()
	if left := running(tr.mark, nil); len(left) > 0 {
		tr.result.broke(BreakLeaked, "%v after the last call there are still\n%s", tr.Deadline, show(left, "    "))
	}
	if tr.InFlight == nil {
		return
	}
	if n := tr.InFlight(); n != 0 {
		tr.result.broke(BreakHeld, "%d permits were still taken %v after the last call", n, tr.Deadline)
	}
}

func (tr *trial) settle() {
	time.Sleep(tr.Deadline)
	synctest.Wait()
}

// checkRecovery is one call more, which is not part of the result.
func (tr *trial) checkRecovery() {
	if tr.Recovery == gabion.Off || tr.dep.Snapshot().Calls > tr.dep.limit {
		return
	}
	tr.dep.Set()
	time.Sleep(tr.Recovery)
	failing := tr.calls
	defer func() { tr.calls = failing }()
	c := tr.start()
	c.wait(tr.Deadline)
	var what string
	switch {
	case !c.returned():
		what = "had not returned after " + tr.Deadline.String()
		defer tr.end()
	case c.panicked != nil:
		what = fmt.Sprintf("panicked in %s: %v", c.where, c.panicked)
	case c.exited:
		what = "ended its goroutine by runtime.Goexit"
	case c.err != nil:
		what = "returned: " + c.err.Error()
	default:
		return
	}
	tr.result.broke(BreakNotRecovered, "%v after the dependency was well again, a call %s", tr.Recovery, what)
}

// end ends what still runs, as far as it can be.
func (tr *trial) end() {
	tr.dep.Close()
	tr.cancel()
	const manyWaits = 10 * time.Minute
	for _, c := range tr.calls {
		if !c.returned() {
			c.wait(manyWaits)
		}
	}
}

// call is one call of the function, on a goroutine of its own.
type call struct {
	number   int
	done     chan struct{}
	began    time.Time
	took     time.Duration
	err      error
	panicked any
	where    string // the function that panicked
	exited   bool
}

func (tr *trial) start() *call {
	c := &call{number: len(tr.calls) + 1, done: make(chan struct{}), began: time.Now()}
	tr.calls = append(tr.calls, c)
	ctx, cancel := context.WithCancel(tr.ctx)
	if tr.Bounded {
		ctx, cancel = context.WithTimeout(tr.ctx, tr.Deadline)
	}
	go func() {
		pprof.SetGoroutineLabels(ctx)
		defer close(c.done)
		defer cancel()
		defer func() {
			c.took = time.Since(c.began)
			if c.panicked = recover(); c.panicked != nil {
				c.exited, c.where = false, panicking()
			}
		}()
		c.exited = true
		c.err = tr.f(ctx, tr.dep)
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

// panicking is where the panic came from that is being recovered.
func panicking() string {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for unwinding := false; ; {
		f, more := frames.Next()
		if f.Function == "runtime.gopanic" {
			unwinding = true
		} else if unwinding && !strings.HasPrefix(f.Function, "runtime.") {
			return fmt.Sprintf("%s (%s:%d)", f.Function, f.File, f.Line)
		}
		if !more {
			return "an unknown function"
		}
	}
}
