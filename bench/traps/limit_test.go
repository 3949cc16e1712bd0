package traps

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/failsafe-go/failsafe-go/adaptivelimiter"

	"github.com/gabion-io/gabion/shed"
)

var limitTraps = []trap{
	{29, "timeouts make a limit grow", "500 calls a second take 20 ms for 20 s, then all of them 1 s, and fail, for 60 s; the limit before and after", constantTimeouts},
}

// constantTimeouts: calls that time out all take the same time, which is no reason for more of them.
func constantTimeouts(t *testing.T) findings {
	found := findings{}
	for _, name := range []string{ours, failsafe} {
		found[name] = bubble(t, func(t *testing.T) finding {
			shedder, adaptive := must(shed.New(shed.Config{})), adaptivelimiter.NewWithDefaults[any]()
			f, limit := pipeOf(shedder), func() int { return shedder.Snapshot().Limit }
			if name == failsafe {
				f, limit = ofFailsafe(adaptive), adaptive.Limit
			}
			offer(t, f, 20*time.Second, 20*time.Millisecond, nil)
			before := limit()
			offer(t, f, 60*time.Second, time.Second, errDown)
			if after := limit(); after >= before {
				return fell("%d, then %d", before, after)
			}
			return held("%d, then %d", before, limit())
		})
	}
	return found
}

// offer makes 500 calls a second for so long.
func offer(t *testing.T, f fuse, lasts, takes time.Duration, err error) {
	t.Helper()
	const gap = 2 * time.Millisecond
	var over sync.WaitGroup
	for range lasts / gap {
		over.Go(func() {
			f.run(t.Context(), func(context.Context) error { pass(takes); return err })
		})
		pass(gap)
	}
	over.Wait()
}
