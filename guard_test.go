package gabion_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/gabion-io/gabion"
)

var (
	errDown = errors.New("connection refused")
	errShut = gabion.Rejection("shut")
)

// journal is what the policies of a test did, in order.
type journal []string

func (j *journal) add(format string, args ...any) { *j = append(*j, fmt.Sprintf(format, args...)) }

// watcher is a guard that writes down what it is asked and told, and keeps count of its places.
type watcher struct {
	name     string
	position gabion.Position
	journal  *journal
	refuse   bool
	waits    gabion.Instant
	panics   bool
	held     atomic.Int32
	results  []gabion.Result
}

func (w *watcher) Describe() gabion.Description {
	return gabion.Description{Kind: "watcher", Name: w.name, Position: w.position}
}

func (w *watcher) Acquire(_ context.Context, _ gabion.Instant) (gabion.Ticket, error) {
	if w.panics {
		panic("in Acquire")
	}
	if w.refuse {
		w.journal.add("%s refuses", w.name)
		return gabion.Ticket{Waited: w.waits}, &gabion.Error{Policy: "watcher", Name: w.name, Reason: errShut}
	}
	w.journal.add("%s admits", w.name)
	return gabion.Ticket{Stamp: uint64(w.held.Add(1)), Waited: w.waits}, nil
}

func (w *watcher) Done(_ gabion.Ticket, r gabion.Result) {
	w.held.Add(-1)
	w.journal.add("%s done: %v", w.name, r.Outcome)
	w.results = append(w.results, r)
}

// director is a driver that writes down what it is asked and answers as it is told.
type director struct {
	name     string
	position gabion.Position
	journal  *journal
	plan     gabion.Plan
	after    func(gabion.Attempt) gabion.Verdict
}

func (d *director) Describe() gabion.Description {
	return gabion.Description{Kind: "director", Name: d.name, Position: d.position}
}

func (d *director) Before(_ context.Context, a gabion.Attempt) gabion.Plan {
	if d.journal != nil {
		d.journal.add("%s before %d", d.name, a.Number)
	}
	return d.plan
}

func (d *director) After(_ context.Context, a gabion.Attempt) gabion.Verdict {
	if d.journal != nil {
		d.journal.add("%s after %d: %v", d.name, a.Number, a.Outcome)
	}
	if d.after == nil {
		return gabion.Verdict{}
	}
	return d.after(a)
}

func newPipe(t testing.TB, cfg gabion.Config, policies ...gabion.Policy) *gabion.Pipe {
	t.Helper()
	cfg.Policies = policies
	p, err := gabion.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func succeed(context.Context) error { return nil }

func fail(context.Context) error { return errDown }
