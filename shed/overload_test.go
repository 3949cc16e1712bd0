package shed

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion"
)

// The service of these tests takes 5 ms and an exponential part of 5 ms in the mean. Whoever called has given up after the
// deadline of the shedder, without telling anybody.
const (
	deadline = 100 * time.Millisecond
	usual    = 10 * time.Millisecond
)

// service has so many workers, and a row of those who wait for one.
type service struct {
	workers chan struct{}
	slowing atomic.Int64 // percent of the usual time
}

func newService(workers int) *service {
	s := &service{workers: make(chan struct{}, workers)}
	s.slowing.Store(100)
	return s
}

func (s *service) do(work time.Duration) {
	s.workers <- struct{}{}
	time.Sleep(work * time.Duration(s.slowing.Load()) / 100)
	<-s.workers
}

// answers are what became of the calls that came in a phase.
type answers struct {
	came, good, refused int
	took                []time.Duration
}

func (a *answers) share(n int) float64 { return float64(n) / float64(max(a.came, 1)) }

func (a *answers) p99() time.Duration {
	if len(a.took) == 0 {
		return 0
	}
	slices.Sort(a.took)
	return a.took[len(a.took)*99/100]
}

// load sends calls through a pipe to a service.
type load struct {
	t       *testing.T
	pipe    *gabion.Pipe
	patient time.Duration // how long whoever called waits for the answer
	service *service
	random  *rand.Rand
	wg      sync.WaitGroup
	light   func() float64 // the share of calls that do half of their work only

	mu      sync.Mutex
	answers map[string]*answers
}

func newLoad(t *testing.T, s *Shedder, workers int) *load {
	return &load{
		t: t, pipe: pipeOf(t, s), patient: s.config.Load().Deadline, service: newService(workers), random: rand.New(rand.NewPCG(1, 1)), answers: map[string]*answers{},
		light: func() float64 { return 0 },
	}
}

// caller is who makes a share of the calls.
type caller struct {
	name     string
	share    float64
	priority gabion.Priority
	tenant   string
}

// run sends so many times as many calls as the service can do, and returns when the last one was sent. Their answers are
// counted by caller and phase.
func (l *load) run(phase string, lasts time.Duration, times float64, callers ...caller) {
	if len(callers) == 0 {
		callers = []caller{{share: 1}}
	}
	gap := float64(usual) / float64(cap(l.service.workers)) / times
	for end := gabion.Now() + lasts; ; {
		time.Sleep(time.Duration(l.random.ExpFloat64() * gap))
		if gabion.Now() >= end {
			return
		}
		pick, c := l.random.Float64(), callers[0]
		for _, other := range callers[1:] {
			if pick -= c.share; pick < 0 {
				break
			}
			c = other
		}
		work := usual/2 + time.Duration(l.random.ExpFloat64()*float64(usual/2))
		lot := l.random.Float64()
		l.wg.Go(func() { l.call(c, phase, work, lot) })
	}
}

func (l *load) call(c caller, phase string, work time.Duration, lot float64) {
	ctx := gabion.WithTenant(gabion.WithPriority(l.t.Context(), c.priority), c.tenant)
	began := gabion.Now()
	err := l.pipe.Run(ctx, func(context.Context) error {
		if lot < l.light() {
			work /= 2
		}
		l.service.do(work)
		return nil
	})
	took := gabion.Now() - began
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.of(c.name + phase)
	a.came++
	switch {
	case errors.Is(err, ErrShed):
		a.refused++
	case err != nil:
		l.t.Error(err)
	default:
		a.took = append(a.took, took)
		if took <= l.patient {
			a.good++
		}
	}
}

func (l *load) of(name string) *answers {
	if l.answers[name] == nil {
		l.answers[name] = &answers{}
	}
	return l.answers[name]
}

// report returns what became of the calls, once all have ended.
func (l *load) report(name string) *answers {
	l.wg.Wait()
	a := l.of(name)
	l.t.Logf("%s: came %d, good %.2f%%, refused %.2f%%, p99 %v", name, a.came, 100*a.share(a.good), 100*a.share(a.refused), a.p99())
	return a
}

func pipeOf(t testing.TB, policies ...gabion.Policy) *gabion.Pipe {
	t.Helper()
	pipe, err := gabion.New(gabion.Config{Policies: policies})
	if err != nil {
		t.Fatal(err)
	}
	return pipe
}

// capacity is how many calls the service can do in a time.
func (l *load) capacity(d time.Duration) float64 {
	return float64(d) / float64(usual) * float64(cap(l.service.workers))
}

// Ten times as many calls come as the service can do. Without a shedder, nearly no answer comes in time.
func TestOverload(t *testing.T) {
	for name, test := range map[string]struct {
		mode    string
		workers int
		protect bool
	}{
		"adaptive": {ModeAdaptive, 10, true},
		"pool":     {ModePool, 10, true},
		"off":      {ModeOff, 10, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := Config{Mode: test.mode, Deadline: deadline}
				if test.mode == ModePool {
					cfg.Concurrency = test.workers
				}
				s := mustNew(t, cfg)
				l := newLoad(t, s, test.workers)
				l.run("before", 3*time.Second, 0.7)
				l.run("step", time.Second, 10)
				l.run("overload", 2*time.Second, 10)
				l.run("recovery", time.Second, 0.7)
				l.run("after", 2*time.Second, 0.7)
				if a := l.report("before"); a.share(a.refused) > 0.01 {
					t.Error("refuses calls without a reason")
				}
				step, over, after := l.report("step"), l.report("overload"), l.report("after")
				goodput := float64(step.good+over.good) / l.capacity(3*time.Second)
				t.Logf("goodput %.1f%%, %+v", 100*goodput, s.Snapshot())
				if protected := goodput >= 0.9 && over.p99() <= deadline && after.share(after.good) >= 0.98; protected != test.protect {
					t.Errorf("protected: %v, want %v", protected, test.protect)
				}
				if now := s.Snapshot(); now.InFlight != 0 || now.Queued != 0 || now.Refused == 0 == test.protect {
					t.Errorf("left over: %+v", now)
				}
			})
		})
	}
}
