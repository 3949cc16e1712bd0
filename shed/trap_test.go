package shed

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion"
)

const ms = time.Millisecond

func mustAcquire(t *testing.T, s *Shedder) gabion.Ticket {
	t.Helper()
	ticket, err := s.Acquire(t.Context(), gabion.Now())
	if err != nil {
		t.Fatal(err)
	}
	return ticket
}

// queued starts a call that has to wait, and returns where it says what became of it.
func queued(t *testing.T, ctx context.Context, s *Shedder) <-chan error {
	t.Helper()
	before := s.Snapshot().Queued
	ended := make(chan error, 1)
	go func() { _, err := s.Acquire(ctx, gabion.Now()); ended <- err }()
	synctest.Wait()
	if now := s.Snapshot(); now.Queued != before+1 {
		t.Fatalf("does not wait: %+v", now)
	}
	return ended
}

// exits are the ways not to return.
var exits = map[string]func(){"panic": func() { panic("at the disco") }, "Goexit": runtime.Goexit}

// A function that does not return gives its place back, and does not look like an answer.
func TestTrap07PlaceReturnsAfterPanicAndGoexit(t *testing.T) {
	for name, exit := range exits {
		t.Run(name, func(t *testing.T) {
			s := mustNew(t, Config{Concurrency: 1})
			pipe := pipeOf(t, s)
			for range 50 {
				done := make(chan struct{})
				go func() {
					defer close(done)
					defer func() { _ = recover() }() // it is what the test throws
					_ = pipe.Run(t.Context(), func(context.Context) error { exit(); return nil })
				}()
				<-done
			}
			if now := s.Snapshot(); now.InFlight != 0 || now.Refused != 0 {
				t.Errorf("%+v", now)
			}
		})
	}
}

// A call whose outcome counts nowhere, and one that a policy further in refused, give their places back and say nothing: not
// that the service answers within no time, either.
func TestTrap20And21PlaceReturnsWithoutAnOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustNew(t, Config{Concurrency: 1})
		began := gabion.Now()
		for _, r := range []gabion.Result{{}, {Outcome: gabion.Ignored}, {Outcome: gabion.Ignored, Began: began}, {Outcome: gabion.Failure}} {
			for range 40 {
				ticket := mustAcquire(t, s)
				waiting := queued(t, t.Context(), s)
				r.Ended = gabion.Now()
				s.Done(ticket, r)
				if err := <-waiting; err != nil {
					t.Fatal(err)
				}
				s.Done(gabion.Ticket{}, r)
				time.Sleep(10 * ms)
			}
		}
		if now := s.Snapshot(); now.Usual != 0 || now.InFlight != 0 || now.Queued != 0 || now.Waited != 160 {
			t.Errorf("learned from calls that say nothing: %+v", now)
		}
	})
}

// Who runs, who waits and what was learned survives a new configuration.
func TestTrap23StateSurvivesReconfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := Config{Deadline: deadline}
		s := mustNew(t, cfg)
		l := newLoad(t, s, 20)
		l.run("", time.Second, 0.7)
		l.run("", time.Second, 1.5)
		l.report("")
		before := s.Snapshot()
		if before.Limit < 20 || before.Usual == 0 || before.Unqueued == 0 || before.Brownout == 0 {
			t.Fatalf("nothing was learned: %+v", before)
		}
		for range 5 {
			if err := s.Update(cfg); err != nil {
				t.Fatal(err)
			}
		}
		if now := s.Snapshot(); now != before {
			t.Errorf("was %+v\nand is %+v", before, now)
		}
		for _, mode := range []string{ModeOff, ModeAdaptive} {
			if err := s.Update(Config{Deadline: deadline, Mode: mode}); err != nil {
				t.Fatal(err)
			}
			want := before
			want.Mode = mode
			if mode == ModeOff {
				want.Limit = 0
			}
			if now := s.Snapshot(); now != want {
				t.Errorf("was %+v\nand is %+v", want, now)
			}
		}
	})
}

// A higher limit starts those who wait, a lower one ends nobody, and off lets all go.
func TestTrap23WhoRunsAndWaitsSurvivesReconfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustNew(t, Config{Concurrency: 1, Deadline: time.Minute})
		mustAcquire(t, s)
		first, second := queued(t, t.Context(), s), queued(t, t.Context(), s)
		for _, cfg := range []Config{{Concurrency: 2, Deadline: time.Minute}, {Concurrency: 1, Deadline: time.Minute}} {
			if err := s.Update(cfg); err != nil {
				t.Fatal(err)
			}
		}
		if err := <-first; err != nil {
			t.Error(err)
		}
		if now := s.Snapshot(); now.InFlight != 2 || now.Queued != 1 || now.Limit != 1 {
			t.Errorf("%+v", now)
		}
		if err := s.Update(Config{Mode: ModeOff}); err != nil {
			t.Fatal(err)
		}
		if err := <-second; err != nil {
			t.Error(err)
		}
		for range 1000 {
			mustAcquire(t, s)
		}
		for range 1003 {
			s.Done(gabion.Ticket{}, gabion.Result{})
		}
		if now := s.Snapshot(); now.InFlight != 0 || now.Queued != 0 || now.Mode != ModeOff {
			t.Errorf("%+v", now)
		}
	})
}

// What is off learns nothing.
func TestOffLearnsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustNew(t, Config{Mode: ModeOff})
		before := s.Snapshot()
		l := newLoad(t, s, 10)
		l.run("", time.Second, 2)
		l.report("")
		if now := s.Snapshot(); now != before {
			t.Errorf("was %+v\nand is %+v", before, now)
		}
	})
}

// Waiting, giving up and being refused leave neither goroutines nor memory behind.
func TestTrap25NothingIsLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // fails when a goroutine is left
		s := mustNew(t, Config{Concurrency: 2, Deadline: 30 * ms})
		pipe := pipeOf(t, s)
		var wg sync.WaitGroup
		for i := range 5000 {
			ctx := gabion.WithPriority(gabion.WithTenant(t.Context(), fmt.Sprint(i%7)), gabion.Priority(i%3-1))
			ctx, cancel := context.WithTimeout(ctx, time.Duration(i%40)*ms)
			wg.Go(func() {
				defer cancel()
				err := pipe.Run(ctx, func(context.Context) error { time.Sleep(3 * ms); return nil })
				if err != nil && !errors.Is(err, ErrShed) && !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
			})
			if i%3 == 0 {
				time.Sleep(ms)
			}
		}
		wg.Wait()
		now := s.Snapshot()
		if now.InFlight != 0 || now.Queued != 0 || s.core.Waiting() {
			t.Errorf("left over: %+v", now)
		}
		for _, d := range []uint64{now.Normal.Full, now.Normal.Displaced + now.Sheddable.Displaced, now.Waited} {
			if d == 0 {
				t.Errorf("the test reaches too little: %+v", now)
			}
		}
	})
}

// Whoever makes up tenants gets a bounded number of lines, and no memory stays behind.
func TestTrap26MadeUpTenantsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustNew(t, Config{Deadline: deadline, MaxTenants: 10})
		l := newLoad(t, s, 10)
		made := 0
		flood := func() {
			for range 20_000 {
				made++
				ctx := gabion.WithTenant(t.Context(), fmt.Sprint(made))
				l.wg.Go(func() { _ = l.pipe.Run(ctx, func(context.Context) error { l.service.do(usual); return nil }) })
				time.Sleep(100 * time.Microsecond)
			}
		}
		l.wg.Go(flood)
		for range 100 {
			time.Sleep(20 * ms)
			s.mu.Lock()
			lines := s.core.Lines()
			s.mu.Unlock()
			if lines > 11 {
				t.Fatalf("%d lines", lines)
			}
		}
		l.wg.Wait()
		if lines := s.core.Lines(); lines != 0 {
			t.Errorf("%d lines are left", lines)
		}
	})
}

// Answers that come after a constant time, as those of a timeout do, make the limit shrink, whether or not they count as
// failures; it never grows.
func TestTrap29ConstantTimeoutsShrinkTheLimit(t *testing.T) {
	for _, outcome := range []gabion.Outcome{gabion.Success, gabion.Failure} {
		t.Run(outcome.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := mustNew(t, Config{Deadline: deadline})
				l := newLoad(t, s, 50)
				l.run("", 2*time.Second, 2)
				l.report("")
				var wg sync.WaitGroup
				limit := 0
				for i := range 5000 {
					time.Sleep(400 * time.Microsecond)
					wg.Go(func() {
						ticket, err := s.Acquire(t.Context(), gabion.Now())
						if err != nil {
							return
						}
						began := gabion.Now()
						time.Sleep(deadline)
						s.Done(ticket, gabion.Result{Outcome: outcome, Began: began, Ended: gabion.Now()})
					})
					switch now := s.Snapshot(); {
					case i < 500: // until some have ended, the limit follows the calls before
						limit = now.Limit
					case now.Limit > limit:
						t.Errorf("%d calls time out, and the limit grows from %d to %d", now.InFlight, limit, now.Limit)
						limit = now.Limit
					}
				}
				if now := s.Snapshot(); now.Limit > limit/4 {
					t.Errorf("from %d to %d", limit, now.Limit)
				}
				wg.Wait()
			})
		})
	}
}

// Phases of overload, in which every answer has waited in the service, do not become what is usual: neither the latency without a
// queue nor the limit drifts.
func TestTrap29OverloadDoesNotPoisonTheBaseline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustNew(t, Config{Deadline: deadline})
		l := newLoad(t, s, 10)
		l.run("", 2*time.Second, 0.7)
		for range 20 {
			l.run("", 300*ms, 5)
			l.run("", 300*ms, 0.5)
			if now := s.Snapshot(); now.Unqueued < 7*ms || now.Unqueued > 25*ms || now.Limit > 150 {
				t.Fatalf("calls take %v alone, and ten run at once: %+v", usual, now)
			}
		}
		l.report("")
	})
}

// A dependency that fails at once is not one that has room.
func TestFailuresDoNotMakeTheLimitGrow(t *testing.T) {
	for outcome, grows := range map[gabion.Outcome]bool{gabion.Failure: false, gabion.Success: true} {
		t.Run(outcome.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := mustNew(t, Config{Deadline: deadline})
				l := newLoad(t, s, 10)
				l.run("", 2*time.Second, 2)
				l.report("")
				limit := s.Snapshot().Limit
				for range 200 {
					var tickets []gabion.Ticket
					for range s.Snapshot().Limit {
						tickets = append(tickets, mustAcquire(t, s))
					}
					waiting := queued(t, t.Context(), s)
					time.Sleep(ms)
					now := gabion.Now()
					for _, ticket := range tickets {
						s.Done(ticket, gabion.Result{Outcome: outcome, Began: now - ms, Ended: now})
					}
					<-waiting
					s.Done(gabion.Ticket{}, gabion.Result{})
				}
				if now := s.Snapshot(); now.Limit > limit != grows {
					t.Errorf("from %d to %d", limit, now.Limit)
				}
			})
		})
	}
}
