package gabion_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

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
	panics   bool   // in Acquire
	ends     func() // in Done, instead of returning
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
	if w.ends != nil {
		w.ends()
	}
}

// director is a driver that writes down what it is asked and answers as it is told.
type director struct {
	name     string
	position gabion.Position
	journal  *journal
	plan     gabion.Plan
	failures bool
	after    func(gabion.Attempt) gabion.Verdict
}

func (d *director) Describe() gabion.Description {
	return gabion.Description{Kind: "director", Name: d.name, Position: d.position, Failures: d.failures}
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

// There are more guards side by side than a call has room for at once.
func manyGuards(j *journal) []*watcher {
	all := make([]*watcher, 8)
	for i := range all {
		all[i] = &watcher{name: fmt.Sprint(i), position: gabion.Position(i), journal: j, waits: gabion.Instant(i)}
	}
	return all
}

func policiesOf(guards []*watcher) (all []gabion.Policy) {
	for _, g := range guards {
		all = append(all, g)
	}
	return all
}

func TestManyGuardsSideBySide(t *testing.T) {
	var j journal
	guards := manyGuards(&j)
	if err := newPipe(t, gabion.Config{}, policiesOf(guards)...).Run(t.Context(), succeed); err != nil {
		t.Fatal(err)
	}
	for i := range guards {
		if admits, done := fmt.Sprintf("%d admits", i), fmt.Sprintf("%d done: success", i); j[i] != admits || j[len(j)-1-i] != done {
			t.Errorf("%q at %d and %q at the end, want %q and %q", j[i], i, j[len(j)-1-i], admits, done)
		}
		if r := guards[i].results[0]; r.Began == 0 || r.Began != guards[0].results[0].Began || r.Ended < r.Began {
			t.Errorf("%d is told %+v, and 0 %+v: it began once, after all waiting", i, r, guards[0].results[0])
		}
	}
}

func TestEachOfManyGuardsCanRefuse(t *testing.T) {
	for refuses := range 8 {
		guards := manyGuards(new(journal))
		guards[refuses].refuse = true
		err := newPipe(t, gabion.Config{}, policiesOf(guards)...).Run(t.Context(), func(context.Context) error { t.Error("called"); return nil })
		if !errors.Is(err, errShut) {
			t.Fatal(err)
		}
		for i, g := range guards {
			switch {
			case g.held.Load() != 0:
				t.Errorf("%d refuses, and %d has %d places", refuses, i, g.held.Load())
			case i >= refuses && len(g.results) != 0:
				t.Errorf("%d refuses, and %d is told %+v", refuses, i, g.results)
			case i < refuses && (len(g.results) != 1 || g.results[0].Outcome != gabion.Ignored || g.results[0].Began != 0 || !errors.Is(g.results[0].Err, errShut)):
				t.Errorf("%d refuses, and %d is told %+v", refuses, i, g.results)
			}
		}
	}
}

// A guard that does not return from Done keeps no other from being told.
func TestDoneThatDoesNotReturn(t *testing.T) {
	for name, exit := range exits {
		for ends := range 8 {
			guards := manyGuards(new(journal))
			guards[ends].ends = exit
			pipe := newPipe(t, gabion.Config{}, policiesOf(guards)...)
			leave(t, func() { pipe.Run(t.Context(), succeed) })
			for i, g := range guards {
				if g.held.Load() != 0 || len(g.results) != 1 {
					t.Errorf("%s in Done of %d: %d has %d places and is told %+v", name, ends, i, g.held.Load(), g.results)
				}
			}
		}
	}
}

// timeless is a watcher that may admit calls without knowing the time.
type timeless struct {
	*watcher
	declines bool
}

func (w timeless) Admit() (gabion.Ticket, bool) {
	if w.declines {
		return gabion.Ticket{}, false
	}
	w.journal.add("%s admits at once", w.name)
	return gabion.Ticket{Stamp: uint64(w.held.Add(1))}, true
}

// Whoever is asked for admission at a time learns when the function really began; the others, that it did.
func TestAdmitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, test := range map[string]struct {
			first, second bool // declines
			want          string
			took          time.Duration
		}{
			"both":    {want: "a admits at once, b admits at once, b done: success, a done: success"},
			"first":   {second: true, want: "a admits at once, b admits, b done: success, a done: success", took: time.Second},
			"second":  {first: true, want: "a admits, b admits at once, b done: success, a done: success", took: time.Second},
			"neither": {first: true, second: true, want: "a admits, b admits, b done: success, a done: success", took: time.Second},
		} {
			var j journal
			a := timeless{&watcher{name: "a", journal: &j}, test.first}
			b := timeless{&watcher{name: "b", journal: &j}, test.second}
			if err := newPipe(t, gabion.Config{}, a, b).Run(t.Context(), func(context.Context) error { time.Sleep(time.Second); return nil }); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(j, ", "); got != test.want {
				t.Errorf("%s: %s, want %s", name, got, test.want)
			}
			for _, w := range []timeless{a, b} {
				if r := w.results[0]; r.Began == 0 || r.Ended != gabion.Now() || r.Ended-r.Began != test.took {
					t.Errorf("%s: told %+v at %v, want %v", name, r, gabion.Now(), test.took)
				}
			}
		}
	})
}

func TestAdmitterThatPanicsOrIsRefused(t *testing.T) {
	a := timeless{watcher: &watcher{name: "a", journal: new(journal)}}
	leave(t, func() {
		newPipe(t, gabion.Config{}, a).Run(t.Context(), func(context.Context) error { panic("at the disco") })
	})
	if r := a.results[0]; r.Outcome != gabion.Failure || r.Began == 0 || r.Began != r.Ended || a.held.Load() != 0 {
		t.Errorf("told %+v, want that it began and failed", r)
	}
	b := &watcher{name: "b", position: 1, journal: new(journal), refuse: true}
	if err := newPipe(t, gabion.Config{}, a, b).Run(t.Context(), succeed); !errors.Is(err, errShut) {
		t.Fatal(err)
	}
	if r := a.results[1]; r.Outcome != gabion.Ignored || r.Began != 0 || r.Ended == 0 {
		t.Errorf("told %+v, want that it never began", r)
	}
}

// starter is a director that is about failures alone.
type starter struct {
	*director
	at gabion.Instant
}

func (s *starter) Start(now gabion.Instant) {
	s.journal.add("%s starts", s.name)
	s.at = now
}

// Who is about failures alone is told of a call when its first run has ended, and asked after what is no success.
func TestFailuresAlone(t *testing.T) {
	for outcome, want := range map[error]string{
		nil:     "run d starts",
		errDown: "run d starts d after 1: failure d before 2 run d after 2: failure",
		errShut: "run d starts d after 1: ignored",
	} {
		var j journal
		d := &starter{director: &director{name: "d", journal: &j, failures: true, after: func(a gabion.Attempt) gabion.Verdict {
			return gabion.Verdict{Again: a.Number == 1 && a.Outcome == gabion.Failure}
		}}}
		err := newPipe(t, gabion.Config{}, d).Run(t.Context(), func(context.Context) error { j.add("run"); return outcome })
		if got := fmt.Sprint([]string(j)); got != "["+want+"]" || !errors.Is(err, outcome) || d.at == 0 {
			t.Errorf("%v: %s at %v, %v; want %s", outcome, got, d.at, err, want)
		}
	}
	if _, err := gabion.New(gabion.Config{Policies: []gabion.Policy{&director{failures: true}}}); err == nil {
		t.Error("a driver that cannot be told of calls is taken")
	}
}
