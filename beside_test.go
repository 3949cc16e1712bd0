package gabion_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion"
)

// twice asks for a second run after a second.
type twice struct {
	another func(gabion.Instant) bool
	after   []gabion.Attempt
}

func (*twice) Describe() gabion.Description {
	return gabion.Description{Kind: "twice", Position: gabion.PositionHedge, Races: true}
}

func (d *twice) Before(context.Context, gabion.Attempt) gabion.Plan {
	return gabion.Plan{Beside: time.Second, Most: 1, Another: d.another}
}

func (d *twice) After(_ context.Context, a gabion.Attempt) gabion.Verdict {
	d.after = append(d.after, a)
	return gabion.Verdict{}
}

var errFirst, errSecond = errors.New("first"), errors.New("second")

// way is what one of the runs does.
type way struct {
	takes time.Duration
	v     string
	err   error
	ends  func() // panics, or so
	deaf  bool   // to its context
}

// raceOf runs the ways, one after the other, in the runs of a call.
func raceOf(t *testing.T, d *twice, ways ...way) (v string, took time.Duration, discarded []string, calls int, err error) {
	t.Helper()
	var mu sync.Mutex
	var n atomic.Int32
	pipe := newPipe(t, gabion.Config{Discard: func(v any) {
		mu.Lock()
		defer mu.Unlock()
		discarded = append(discarded, v.(string))
	}}, d)
	start := time.Now()
	v, err = gabion.DoHedged(t.Context(), pipe, func(ctx context.Context) (string, error) {
		w := ways[n.Add(1)-1]
		if w.deaf {
			time.Sleep(w.takes)
		} else if timer := time.NewTimer(w.takes); true {
			select {
			case <-timer.C:
			case <-ctx.Done():
				return "", ctx.Err()
			}
		}
		if w.ends != nil {
			w.ends()
		}
		return w.v, w.err
	})
	took = time.Since(start)
	synctest.Wait()
	time.Sleep(time.Hour) // all have ended
	mu.Lock()
	defer mu.Unlock()
	return v, took, slices.Clone(discarded), int(n.Load()), err
}

func TestBeside(t *testing.T) {
	for _, test := range []struct {
		name      string
		ways      []way
		another   func(gabion.Instant) bool
		v         string
		err       error
		took      time.Duration
		discarded string
		calls     int
		second    bool
		runTook   time.Duration
	}{
		{name: "the first is quick", ways: []way{{takes: time.Second / 2, v: "a"}}, v: "a", took: time.Second / 2, calls: 1, runTook: time.Second / 2},
		{name: "the second wins", ways: []way{{takes: time.Minute, v: "a"}, {takes: time.Second, v: "b"}}, v: "b", took: 2 * time.Second, calls: 2, second: true, runTook: time.Second},
		{name: "the first wins all the same", ways: []way{{takes: 2 * time.Second, v: "a"}, {takes: time.Minute, v: "b"}}, v: "a", took: 2 * time.Second, calls: 2, runTook: 2 * time.Second},
		{name: "the loser does not listen", ways: []way{{takes: time.Minute, v: "a", deaf: true}, {takes: time.Second, v: "b"}}, v: "b", took: 2 * time.Second, calls: 2, discarded: "a", second: true, runTook: time.Second},
		{name: "the first fails early", ways: []way{{takes: time.Second / 2, err: errFirst}}, err: errFirst, took: time.Second / 2, calls: 1, runTook: time.Second / 2},
		{name: "the first fails late", ways: []way{{takes: 2 * time.Second, err: errFirst}, {takes: 2 * time.Second, v: "b"}}, v: "b", took: 3 * time.Second, calls: 2, second: true, runTook: 2 * time.Second},
		{name: "both fail", ways: []way{{takes: 2 * time.Second, err: errFirst}, {takes: 2 * time.Second, err: errSecond}}, err: errSecond, took: 3 * time.Second, calls: 2, second: true, runTook: 2 * time.Second},
		{name: "no second is allowed", ways: []way{{takes: time.Minute, v: "a"}}, another: func(gabion.Instant) bool { return false }, v: "a", took: time.Minute, calls: 1, runTook: time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &twice{another: test.another}
				v, took, discarded, calls, err := raceOf(t, d, test.ways...)
				if v != test.v || !errors.Is(err, test.err) || took != test.took || calls != test.calls || strings.Join(discarded, "") != test.discarded {
					t.Errorf("%q, %v after %v and %d calls; discarded %v", v, err, took, calls, discarded)
				}
				if a := d.after[0]; a.Second != test.second || a.Took != test.runTook {
					t.Errorf("the driver is told second %v after %v", a.Second, a.Took)
				}
			})
		})
	}
}

func TestBesideUnwinds(t *testing.T) {
	for name, ways := range map[string][]way{
		"the first panics":  {{takes: time.Second / 2, ends: func() { panic("boom") }}},
		"the second panics": {{takes: time.Minute}, {takes: time.Second, ends: func() { panic("boom") }}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				defer func() {
					if p := recover(); p != "boom" {
						t.Errorf("recovered %v", p)
					}
				}()
				raceOf(t, &twice{}, ways...)
				t.Error("it returned")
			})
		})
	}
	t.Run("Goexit", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ended := make(chan bool)
			go func() {
				returned := false
				defer func() { ended <- !returned && recover() == nil }()
				raceOf(t, &twice{}, way{takes: time.Second / 2, ends: runtime.Goexit})
				returned = true
			}()
			if !<-ended {
				t.Error("the caller's goroutine did not exit")
			}
		})
	})
}

// TestBesideLoserIsNoFailure: that a run lost says nothing about the dependency.
func TestBesideLoserIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var results []gabion.Outcome
		g := &recordingGuard{done: func(r gabion.Result) {
			mu.Lock()
			defer mu.Unlock()
			results = append(results, r.Outcome)
		}}
		pipe := newPipe(t, gabion.Config{}, &twice{}, g)
		var n atomic.Int32
		_, err := gabion.DoHedged(t.Context(), pipe, func(ctx context.Context) (int, error) {
			if n.Add(1) == 1 {
				<-ctx.Done()
				return 0, ctx.Err()
			}
			return 1, nil
		})
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if err != nil || !slices.Equal(results, []gabion.Outcome{gabion.Success, gabion.Ignored}) {
			t.Errorf("%v; the guard learned %v", err, results)
		}
	})
}

type recordingGuard struct{ done func(gabion.Result) }

func (*recordingGuard) Describe() gabion.Description {
	return gabion.Description{Kind: "recording", Position: gabion.PositionBreaker}
}

func (*recordingGuard) Acquire(context.Context, gabion.Instant) (gabion.Ticket, error) {
	return gabion.Ticket{}, nil
}
func (g *recordingGuard) Done(_ gabion.Ticket, r gabion.Result) { g.done(r) }

func TestDoRefusesToHedge(t *testing.T) {
	pipe := newPipe(t, gabion.Config{}, &twice{})
	err := pipe.Run(t.Context(), func(context.Context) error { t.Error("called"); return nil })
	if err == nil || !strings.Contains(err.Error(), "DoHedged") {
		t.Errorf("%v", err)
	}
}

// aside does something before a run, or in its place.
type aside struct{ plan gabion.Plan }

func (*aside) Describe() gabion.Description {
	return gabion.Description{Kind: "aside", Position: gabion.PositionFault}
}
func (d *aside) Before(context.Context, gabion.Attempt) gabion.Plan       { return d.plan }
func (d *aside) After(context.Context, gabion.Attempt) (v gabion.Verdict) { return v }

func TestDetour(t *testing.T) {
	for _, test := range []struct {
		name    string
		plan    gabion.Plan
		err     error
		took    time.Duration
		calls   int
		outcome gabion.Outcome
	}{
		{"delay", gabion.Plan{Delay: time.Second}, nil, time.Second, 1, gabion.Success},
		{"a delay that is too long", gabion.Plan{Delay: time.Hour}, context.DeadlineExceeded, time.Minute, 0, gabion.Failure},
		{"an error", gabion.Plan{Instead: func(context.Context) error { return errFirst }}, errFirst, 0, 0, gabion.Failure},
		{"an error later", gabion.Plan{Delay: time.Second, Instead: func(context.Context) error { return errFirst }}, errFirst, time.Second, 0, gabion.Failure},
		{"nothing", gabion.Plan{Instead: func(context.Context) error { return nil }}, nil, 0, 0, gabion.Success},
		{"a hang", gabion.Plan{Instead: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}, context.DeadlineExceeded, time.Minute, 0, gabion.Failure},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var learned gabion.Result
				pipe := newPipe(t, gabion.Config{}, &aside{test.plan}, &recordingGuard{done: func(r gabion.Result) { learned = r }})
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				start, calls := time.Now(), 0
				err := pipe.Run(ctx, func(context.Context) error { calls++; return nil })
				if !errors.Is(err, test.err) || time.Since(start) != test.took || calls != test.calls {
					t.Errorf("%v after %v and %d calls", err, time.Since(start), calls)
				}
				if learned.Outcome != test.outcome || learned.Ended-learned.Began != test.took {
					t.Errorf("further out it is %v after %v", learned.Outcome, learned.Ended-learned.Began)
				}
			})
		})
	}
}
