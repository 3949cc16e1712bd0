package kit

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/breaker"
	"github.com/gabion-io/gabion/bulkhead"
	"github.com/gabion-io/gabion/fallback"
	"github.com/gabion-io/gabion/fault"
	"github.com/gabion-io/gabion/hedge"
	"github.com/gabion-io/gabion/ratelimit"
	"github.com/gabion-io/gabion/retry"
	"github.com/gabion-io/gabion/shed"
	"github.com/gabion-io/gabion/timeout"
	"go.uber.org/goleak"
)

var errDown = errors.New("down")

// everything is one of each policy.
type everything struct {
	policies map[string]gabion.Policy
	places   *bulkhead.Bulkhead
	shedder  *shed.Shedder
	time     *ratelimit.ServerTime
}

func newEverything(t testing.TB) *everything {
	faults := must(fault.New(fault.Config{}))
	for _, rule := range []fault.Rule{
		{Kind: fault.Latency, Latency: time.Millisecond, Share: .02},
		{Kind: fault.Error, Share: .02},
		{Kind: fault.Hang, Share: .01},
	} {
		if _, err := faults.Inject(rule); err != nil {
			t.Fatal(err)
		}
	}
	e := &everything{
		places:  must(bulkhead.New(bulkhead.Config{Concurrency: 8, Queue: 16, Wait: 2 * time.Millisecond})),
		shedder: must(shed.New(shed.Config{Deadline: 20 * time.Millisecond})),
		time:    must(ratelimit.NewServerTime(ratelimit.ServerTimeConfig{Concurrency: 50})),
	}
	e.policies = map[string]gabion.Policy{
		"breaker":     must(breaker.New(breaker.Config{OpenFor: time.Millisecond, SlowCall: 2 * time.Millisecond, Hanging: 30})),
		"bulkhead":    e.places,
		"fallback":    must(fallback.New(fallback.Config{}, fallback.Value("none", 0))),
		"fault":       faults,
		"hedge":       must(hedge.New(hedge.Config{After: hedge.After{Time: time.Millisecond}, Max: 2, Budget: 1})),
		"requests":    must(ratelimit.NewRequests(ratelimit.RequestsConfig{Rate: ratelimit.Rate{Count: 1_000_000, Per: time.Second}})),
		"retry":       must(retry.New(retry.Config{Backoff: retry.Backoff{Initial: time.Millisecond, Max: 2 * time.Millisecond}})),
		"server time": e.time,
		"shed":        e.shedder,
		"timeout":     must(timeout.New(timeout.Config{Total: 3 * time.Millisecond, Attempt: 2 * time.Millisecond})),
	}
	return e
}

// pipe is made of the policies with these names, of all when there are none.
func (e *everything) pipe(names ...string) *gabion.Pipe {
	var chosen []gabion.Policy
	for name, p := range e.policies {
		if len(names) == 0 || slices.Contains(names, name) {
			chosen = append(chosen, p)
		}
	}
	return must(gabion.New(gabion.Config{Policies: chosen}))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// ends are all ways in which a call can end.
var ends = []func(ctx context.Context, cancel func()) (int, error){
	func(context.Context, func()) (int, error) { return 1, nil },
	func(context.Context, func()) (int, error) { return 1, nil },
	func(context.Context, func()) (int, error) { return 0, errDown },
	func(ctx context.Context, _ func()) (int, error) { <-ctx.Done(); return 0, ctx.Err() },
	func(ctx context.Context, cancel func()) (int, error) { cancel(); return 0, ctx.Err() },
	func(context.Context, func()) (int, error) { panic("in a call") },
	func(context.Context, func()) (int, error) { runtime.Goexit(); return 0, nil },
}

// TestTrap25NothingIsLeftBehind: whatever becomes of calls, no goroutine and no place is lost.
func TestTrap25NothingIsLeftBehind(t *testing.T) {
	chosen := map[string][]string{"all": nil}
	for name := range newEverything(t).policies {
		chosen[name] = []string{name}
	}
	for name, only := range chosen {
		t.Run(name, func(t *testing.T) {
			before := goleak.IgnoreCurrent()
			e := newEverything(t)
			hammer(t, e.pipe(only...), 60, 50)
			goleak.VerifyNone(t, before)
			if s := e.places.Snapshot(); s.InFlight != 0 || s.Queued != 0 {
				t.Errorf("bulkhead: %+v", s)
			}
			if s := e.shedder.Snapshot(); s.InFlight != 0 || s.Queued != 0 {
				t.Errorf("shed: %+v", s)
			}
			if s := e.time.Snapshot(); s.InFlight != 0 {
				t.Errorf("server time: %+v", s)
			}
		})
	}
}

// The twin: a goroutine that stays is found.
func TestLeftBehindIsFound(t *testing.T) {
	before := goleak.IgnoreCurrent()
	stay := make(chan struct{})
	go func() { <-stay }()
	if goleak.Find(before) == nil {
		t.Error("it is not found")
	}
	close(stay)
}

// hammer makes calls that end in all ways, on goroutines of their own, as many at once as there are callers.
func hammer(t *testing.T, pipe *gabion.Pipe, rounds, callers int) {
	t.Helper()
	for round := range rounds {
		random := rand.New(rand.NewPCG(1, uint64(round)))
		var over sync.WaitGroup
		for range callers {
			end := ends[random.IntN(len(ends))]
			over.Go(func() {
				defer func() { recover() }()
				ctx, cancel := context.WithTimeout(t.Context(), 4*time.Millisecond)
				defer cancel()
				gabion.DoHedged(ctx, pipe, func(ctx context.Context) (int, error) { return end(ctx, cancel) })
			})
		}
		over.Wait()
	}
}
