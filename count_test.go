package gabion_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/breaker"
	"github.com/gabion-io/gabion/bulkhead"
	"github.com/gabion-io/gabion/retry"
)

// kinds counts events by kind.
type kinds struct{ retried, gaveUp, refused, others atomic.Uint64 }

func (k *kinds) Observe(e gabion.Event) {
	switch e.Kind {
	case gabion.EventRetry:
		k.retried.Add(1)
	case gabion.EventGaveUp:
		k.gaveUp.Add(1)
	case gabion.EventRefused:
		k.refused.Add(1)
	default:
		k.others.Add(1)
	}
}

// What an observer is told and what policies count is together everything that happened, exactly.
func TestEverythingIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const goroutines, each = 16, 300
		var told, here kinds
		var tries atomic.Uint64
		retries := must(retry.New(retry.Config{Observer: &told}))
		places := must(bulkhead.New(bulkhead.Config{Concurrency: goroutines - 2, Observer: &told}))
		fuse := must(breaker.New(breaker.Config{Observer: &told}))
		fuse.Force(breaker.ForcedClosed)
		told.others.Store(0) // it was told of that
		pipe := newPipe(t, gabion.Config{}, retries, fuse, places)
		var all sync.WaitGroup
		for range goroutines {
			all.Go(func() {
				for range each {
					err := pipe.Run(t.Context(), func(context.Context) error {
						tries.Add(1)
						time.Sleep(time.Duration(rand.IntN(int(10 * time.Millisecond))))
						if rand.IntN(4) == 0 {
							return errDown
						}
						return nil
					})
					switch {
					case errors.Is(err, gabion.ErrRejected):
						here.refused.Add(1)
					case err != nil:
						here.gaveUp.Add(1)
					}
				}
			})
		}
		all.Wait()
		s := retries.Snapshot(gabion.Now())
		if s.Calls != goroutines*each || s.Calls+s.Retries != tries.Load()+told.refused.Load() || s.Retries == 0 {
			t.Errorf("%+v after %d calls with %d tries and %d refusals", s, goroutines*each, tries.Load(), told.refused.Load())
		}
		if told.retried.Load() != s.Retries || told.gaveUp.Load() != here.gaveUp.Load() || told.refused.Load() != here.refused.Load() ||
			told.refused.Load() == 0 || told.gaveUp.Load() == 0 || told.others.Load() != 0 {
			t.Errorf("told %+v, want %+v and %d retries", &told, &here, s.Retries)
		}
		if in := places.Snapshot(); in.Refused != here.refused.Load() || in.InFlight != 0 {
			t.Errorf("%+v, want %d refused", in, here.refused.Load())
		}
	})
}
