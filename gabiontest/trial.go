package gabiontest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion"
)

// trial is one rule of a case, within its bubble.
type trial struct {
	Case
	result
	rule Rule

	f      func(context.Context) error
	dep    *Dependency
	ctx    context.Context // of all calls; it carries the label
	cancel context.CancelFunc
	mark   string
	began  []*call
}

// run finds out what breaks.
func (tr *trial) run(t *testing.T, setup Setup) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	tr.cancel = cancel
	tr.ctx, tr.mark = label(ctx)
	tr.events = NewRecorder(t)
	tr.dep = newDependency(t)
	tr.f = setup(t, tr.dep, tr.events)
	if tr.f == nil {
		t.Fatal("gabiontest: Setup returned no call")
	}
	before := tr.dep.Snapshot().Calls
	tr.dep.limit = before + tr.limit()
	tr.dep.Set(tr.rule)
	if tr.rule.Mode == Overload {
		tr.callTogether()
	} else {
		tr.callInTurn()
	}
	tr.calls, tr.made = len(tr.began), tr.dep.Snapshot().Calls-before
	tr.checkAmplification()
	if tr.returned() {
		tr.checkLeft()
		tr.checkRecovery()
	}
}

func (tr *trial) start() *call {
	c := start(tr.ctx, len(tr.began)+1, tr.f)
	tr.began = append(tr.began, c)
	return c
}

// returned says whether all calls have.
func (tr *trial) returned() bool {
	for _, c := range tr.began {
		if !c.returned() {
			return false
		}
	}
	return true
}

func (tr *trial) broke(kind breakKind, done, expected, happened string) {
	tr.breaks = append(tr.breaks, Break{
		Mode: tr.mode, Done: done, Expected: expected, Happened: happened, Help: help(kind, tr.mode),
	})
}

// callInTurn calls the code again and again, until a call breaks.
func (tr *trial) callInTurn() {
	for len(tr.began) < tr.Calls && len(tr.breaks) == 0 {
		given := tr.dep.givenErrors()
		c := tr.start()
		c.wait(tr.Deadline)
		tr.checkCall(c)
		if len(tr.breaks) == 0 && tr.dep.givenErrors() > given {
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
	for _, c := range tr.began {
		c.wait(tr.Deadline - time.Since(began))
	}
	for _, c := range tr.began {
		if tr.checkCall(c); len(tr.breaks) > 0 {
			return // the others would say the same
		}
	}
}

// which says what was done with a call.
func (tr *trial) which(c *call) string {
	together := ""
	if tr.rule.Mode == Overload {
		together = ", all at once,"
	}
	return fmt.Sprintf("call %d of %d%s while the dependency %s", c.number, tr.Calls, together, tr.rule.does())
}

func (tr *trial) checkCall(c *call) {
	kind, happened := c.ending()
	switch {
	case kind == late:
		tr.broke(late, tr.which(c), fmt.Sprintf("it returns within %v", tr.Deadline),
			fmt.Sprintf("it had not returned after %v, and was here:\n%s", tr.Deadline, show(inner(running(tr.mark, nil)), "")))
	case kind == panicked && tr.PanicsPass && c.panicked == panicValue:
	case kind != "":
		tr.broke(kind, tr.which(c), "it returns", happened)
	case tr.MustSucceed && c.err != nil:
		tr.broke(failedCall, tr.which(c), "it succeeds all the same", "it failed: "+c.err.Error())
	}
}

// checkCause is for calls of the code that were given an error by the dependency.
func (tr *trial) checkCause(c *call) {
	cause := tr.rule.err()
	if tr.rule.Mode == Reset {
		cause = syscall.ECONNRESET
	}
	if c.err != nil && !errors.Is(c.err, cause) {
		tr.broke(lostCause, tr.which(c), fmt.Sprintf("errors.Is finds the dependency's %q in its error", cause),
			fmt.Sprintf("it does not, in %q", c.err))
	}
}

func (tr *trial) checkAmplification() {
	if tr.Amplification == gabion.Off || float64(tr.made) <= tr.Amplification*float64(tr.calls) {
		return
	}
	happened := fmt.Sprintf("it was called %d times: %.4g times for each call", tr.made, float64(tr.made)/float64(tr.calls))
	if tr.runaway() {
		happened += "; it was stopped there"
	}
	tr.broke(amplified, fmt.Sprintf("%d calls while the dependency %s", tr.calls, tr.rule.does()),
		fmt.Sprintf("the dependency is called at most %v times for each call", tr.Amplification), happened)
}

// runaway says whether the code did not stop calling.
func (tr *trial) runaway() bool { return tr.dep.Snapshot().Calls > tr.dep.limit }

// checkLeft looks for what is left when all calls have returned and their contexts have ended.
func (tr *trial) checkLeft() {
	time.Sleep(tr.Deadline)
	synctest.Wait()
	done := fmt.Sprintf("%d calls while the dependency %s, and %v more", tr.calls, tr.rule.does(), tr.Deadline)
	if left := running(tr.mark, nil); len(left) > 0 {
		tr.broke(leaked, done, "all goroutines that the calls started have ended", "there are still\n"+show(inner(left), ""))
	}
	if n := tr.dep.openBodies(); n > 0 {
		tr.broke(leftOpen, done, "the bodies of all responses are closed", fmt.Sprintf("%d are open", n))
	}
}

// checkRecovery is one call more.
func (tr *trial) checkRecovery() {
	if tr.Recovery == gabion.Off || tr.runaway() {
		return
	}
	tr.dep.Set()
	time.Sleep(tr.Recovery)
	c := tr.start()
	c.wait(tr.Deadline)
	kind, happened := c.ending()
	switch {
	case kind == late:
		happened = fmt.Sprintf("it had not returned after %v", tr.Deadline)
	case c.err != nil:
		happened = "it failed: " + c.err.Error()
	case kind == "" || slices.ContainsFunc(tr.breaks, func(b Break) bool { return b.Happened == happened }):
		return // well again; or broken in a way that has nothing to do with the dependency, and is known
	}
	tr.broke(notRecovered, fmt.Sprintf("a call %v after the dependency was well again", tr.Recovery), "it succeeds", happened)
}

// end ends what still runs, as far as it can be.
func (tr *trial) end() {
	tr.dep.close()
	tr.cancel()
	const manyWaits = 10 * time.Minute
	for _, c := range tr.began {
		if !c.returned() {
			c.wait(manyWaits)
		}
	}
}

// inner are stacks without what this package has in them.
func inner(stacks []stack) []stack {
	for i, s := range stacks {
		var shown []frame
		for _, f := range s.frames {
			if !own(f.function) && !strings.HasPrefix(f.function, "internal/synctest.") {
				shown = append(shown, f)
			}
		}
		stacks[i].frames = shown
	}
	return stacks
}
