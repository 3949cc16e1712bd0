package timeout_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/retry"
	"github.com/gabion-io/gabion/timeout"
)

var errDown = errors.New("connection refused")

func newTimeout(t testing.TB, cfg timeout.Config) *timeout.Timeout {
	t.Helper()
	bound, err := timeout.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return bound
}

func newPipe(t testing.TB, policies ...gabion.Policy) *gabion.Pipe {
	t.Helper()
	p, err := gabion.New(gabion.Config{Policies: policies})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// untilEnd works until its context ends.
func untilEnd(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// deaf works for so long, whatever its context says.
func deaf(takes time.Duration, err error) func(context.Context) error {
	return func(context.Context) error {
		time.Sleep(takes)
		return err
	}
}

func TestWhatATimeoutReports(t *testing.T) {
	const ours = time.Second
	tests := map[string]struct {
		caller   time.Duration // the caller's deadline; 0: none
		cancel   time.Duration // when the caller cancels; 0: never
		config   timeout.Config
		work     func(context.Context) error
		exceeded bool
		also     error // in the error's tree
		took     time.Duration
	}{
		"attempt in time":          {config: timeout.Config{Attempt: ours}, work: deaf(ours/2, nil), took: ours / 2},
		"failed in time":           {config: timeout.Config{Attempt: ours}, work: deaf(ours/2, errDown), also: errDown, took: ours / 2},
		"attempt":                  {config: timeout.Config{Attempt: ours}, work: untilEnd, exceeded: true, also: context.DeadlineExceeded, took: ours},
		"total":                    {config: timeout.Config{Total: ours}, work: untilEnd, exceeded: true, also: context.DeadlineExceeded, took: ours},
		"both at once":             {config: timeout.Config{Total: ours, Attempt: ours}, work: untilEnd, exceeded: true, took: ours},
		"deaf, late success":       {config: timeout.Config{Attempt: ours}, work: deaf(12*ours, nil), exceeded: true, also: context.DeadlineExceeded, took: 12 * ours},
		"deaf, late failure":       {config: timeout.Config{Attempt: ours}, work: deaf(9*ours, errDown), exceeded: true, also: errDown, took: 9 * ours},
		"twin: off":                {config: timeout.Config{Attempt: gabion.Off, Total: gabion.Off}, work: deaf(60*ours, nil), took: 60 * ours},
		"defaults":                 {work: untilEnd, exceeded: true, took: 3 * time.Second},
		"caller's deadline first":  {caller: ours / 2, config: timeout.Config{Attempt: ours}, work: untilEnd, also: context.DeadlineExceeded, took: ours / 2},
		"the same deadline":        {caller: ours, config: timeout.Config{Total: ours}, work: untilEnd, also: context.DeadlineExceeded, took: ours},
		"caller's deadline, deaf":  {caller: ours / 2, config: timeout.Config{Attempt: ours}, work: deaf(2*ours, errDown), also: errDown, took: 2 * ours},
		"caller's deadline later":  {caller: 2 * ours, config: timeout.Config{Attempt: ours}, work: untilEnd, exceeded: true, took: ours},
		"later, deaf beyond both":  {caller: 2 * ours, config: timeout.Config{Attempt: ours}, work: deaf(3*ours, errDown), exceeded: true, also: errDown, took: 3 * ours},
		"caller cancels":           {cancel: ours / 2, config: timeout.Config{Attempt: ours}, work: untilEnd, also: context.Canceled, took: ours / 2},
		"caller cancels, deaf":     {cancel: ours / 2, config: timeout.Config{Attempt: ours}, work: deaf(2*ours, errDown), also: errDown, took: 2 * ours},
		"total within the attempt": {config: timeout.Config{Total: ours, Attempt: 2 * ours}, work: untilEnd, exceeded: true, took: ours},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if test.caller > 0 {
					ctx, cancel = context.WithTimeout(ctx, test.caller)
					defer cancel()
				}
				if test.cancel > 0 {
					time.AfterFunc(test.cancel, cancel)
				}
				start := time.Now()
				err := newPipe(t, newTimeout(t, test.config)).Run(ctx, test.work)
				if errors.Is(err, timeout.ErrExceeded) != test.exceeded {
					t.Errorf("got %v, exceeded should be %v", err, test.exceeded)
				}
				if test.also != nil && !errors.Is(err, test.also) || test.also == nil && !test.exceeded && err != nil {
					t.Errorf("got %v, want %v in it", err, test.also)
				}
				if errors.Is(err, gabion.ErrRejected) {
					t.Errorf("%v: is a refusal, but the function was called", err)
				}
				if took := time.Since(start); took != test.took {
					t.Errorf("took %v, want %v", took, test.took)
				}
			})
		})
	}
}

func TestTheErrorSaysWhichTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, test := range []struct {
			config timeout.Config
			want   string
		}{
			{timeout.Config{Name: "catalog", Attempt: time.Second}, `timeout "catalog": timeout exceeded: the attempt may take 1s; last error: context deadline exceeded`},
			{timeout.Config{Total: 2 * time.Second}, `timeout: timeout exceeded: the call may take 2s; last error: context deadline exceeded`},
		} {
			var told []gabion.Event
			test.config.Observer = gabion.ObserverFunc(func(e gabion.Event) { told = append(told, e) })
			err := newPipe(t, newTimeout(t, test.config)).Run(t.Context(), untilEnd)
			if err == nil || err.Error() != test.want {
				t.Errorf("got %v, want %s", err, test.want)
			}
			if len(told) != 1 || told[0].Kind != gabion.EventTimeout || !errors.Is(told[0].Err, err) || told[0].Name != test.config.Name {
				t.Errorf("told of %+v", told)
			}
		}
	})
}

func TestTheErrorIsATimeoutForPackageNet(t *testing.T) {
	if net, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](timeout.ErrExceeded); !ok || !net.Timeout() {
		t.Error("ErrExceeded has no Timeout")
	}
}

func TestEachTryHasItsTimeAndTheWholeHasItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		again, err := retry.New(retry.Config{Attempts: 10})
		if err != nil {
			t.Fatal(err)
		}
		tries := 0
		pipe := newPipe(t, again, newTimeout(t, timeout.Config{Total: 2500 * time.Millisecond, Attempt: time.Second}))
		start := time.Now()
		err = pipe.Run(t.Context(), func(ctx context.Context) error { tries++; return untilEnd(ctx) })
		if took := time.Since(start); tries != 3 || took > 2500*time.Millisecond || !errors.Is(err, timeout.ErrExceeded) {
			t.Errorf("%v after %d tries in %v, want 3 in 2.5s", err, tries, took)
		}
	})
}

func TestATimeoutIsAFailureForWhatStandsFurtherOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var outcome gabion.Outcome
		var discarded []any
		pipe, err := gabion.New(gabion.Config{
			Policies: []gabion.Policy{newTimeout(t, timeout.Config{})},
			Observer: gabion.ObserverFunc(func(e gabion.Event) { outcome = e.Outcome }),
			Discard:  func(v any) { discarded = append(discarded, v) },
		})
		if err != nil {
			t.Fatal(err)
		}
		v, err := gabion.Do(t.Context(), pipe, func(context.Context) (string, error) {
			time.Sleep(time.Minute)
			return "late", nil
		})
		if v != "" || !errors.Is(err, timeout.ErrExceeded) || outcome != gabion.Failure {
			t.Errorf("got %q, %v, %v", v, err, outcome)
		}
		if len(discarded) != 1 || discarded[0] != "late" {
			t.Errorf("discarded %v, want the late value", discarded)
		}
	})
}

func TestTrap09DeafFunctionIsReportedAndNotLeftRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		running := false
		start := time.Now()
		err := newPipe(t, newTimeout(t, timeout.Config{Attempt: 50 * time.Millisecond})).Run(t.Context(), func(context.Context) error {
			running = true
			defer func() { running = false }()
			time.Sleep(600 * time.Millisecond)
			return nil
		})
		if !errors.Is(err, timeout.ErrExceeded) || running || time.Since(start) != 600*time.Millisecond {
			t.Errorf("%v after %v, still running: %v", err, time.Since(start), running)
		}
	})
}

func TestTrap25NothingIsLeftBehind(t *testing.T) {
	pipe := newPipe(t, newTimeout(t, timeout.Config{}))
	before := runtime.NumGoroutine()
	var heap runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&heap)
	for range 20_000 {
		if err := pipe.Run(t.Context(), func(context.Context) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	live := heap.HeapAlloc
	runtime.GC()
	runtime.ReadMemStats(&heap)
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines, %d before", after, before)
	}
	if heap.HeapAlloc > live+2<<20 { // a timer for each call would be more than twice as much
		t.Errorf("%d bytes in use, %d before", heap.HeapAlloc, live)
	}
}

func TestUpdate(t *testing.T) {
	bound := newTimeout(t, timeout.Config{Total: time.Minute, Attempt: gabion.Off})
	if bound.Total() != time.Minute || bound.Attempt() != 0 {
		t.Errorf("%v and %v", bound.Total(), bound.Attempt())
	}
	if err := bound.Update(timeout.Config{Name: "catalog", Total: gabion.Off, Attempt: time.Second}); err != nil {
		t.Fatal(err)
	}
	if err := bound.Update(timeout.Config{Total: -1}); err == nil || !strings.HasPrefix(err.Error(), "total") {
		t.Errorf("an impossible configuration: %v", err)
	}
	if bound.Total() != 0 || bound.Attempt() != time.Second {
		t.Errorf("%v and %v", bound.Total(), bound.Attempt())
	}
	if d := bound.Describe(); d != (gabion.Description{Kind: "timeout", Name: "catalog", Position: gabion.PositionTotalTimeout}) {
		t.Errorf("described as %+v", d)
	}
	pipe := newPipe(t, bound)
	if p := pipe.Policies(); len(p) != 2 || p[0].Position != gabion.PositionTotalTimeout || p[1].Position != gabion.PositionAttemptTimeout {
		t.Errorf("in the pipe: %+v", p)
	}
}

func TestUpdateActsOnThePipesThatExist(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bound := newTimeout(t, timeout.Config{Total: gabion.Off, Attempt: gabion.Off})
		pipe := newPipe(t, bound)
		if err := bound.Update(timeout.Config{Total: time.Second}); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		err := pipe.Run(t.Context(), untilEnd)
		if !errors.Is(err, timeout.ErrExceeded) || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func BenchmarkInTime(b *testing.B) {
	pipe := newPipe(b, newTimeout(b, timeout.Config{Total: gabion.Off}))
	ctx := b.Context()
	for b.Loop() {
		if _, err := gabion.Do(ctx, pipe, func(context.Context) (int, error) { return 1, nil }); err != nil {
			b.Fatal(err)
		}
	}
}
