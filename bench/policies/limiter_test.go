package policies

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sethvargo/go-limiter/memorystore"
	"github.com/throttled/throttled/v2"
	"github.com/throttled/throttled/v2/store/memstore"
	"golang.org/x/time/rate"

	"github.com/gabion-io/gabion/internal/yardstick"
	"github.com/gabion-io/gabion/ratelimit"
)

// often is a rate, in a second, at which nobody is refused.
const often = 1_000_000

var errLimited = errors.New("limited")

// limiters are the contenders, each made for so many keys. What they return asks for one request of a key.
var limiters = map[string]func(keys int) func(key string) error{
	"gabion": func(keys int) func(string) error {
		l := must(ratelimit.NewRequests(ratelimit.RequestsConfig{
			Rate: ratelimit.Rate{Count: often, Per: time.Second}, MaxKeys: keys,
		}))
		return func(key string) error { return passed(l.TakeNow(key, 1).OK, nil) }
	},
	"gabion-sliding": func(keys int) func(string) error {
		l := must(ratelimit.NewRequests(ratelimit.RequestsConfig{
			Rate: ratelimit.Rate{Count: often, Per: time.Second}, MaxKeys: keys, Sliding: true,
		}))
		return func(key string) error { return passed(l.TakeNow(key, 1).OK, nil) }
	},
	// In an hour, because of a second's tokens it gives back a thousand only when the next second begins, and refuses.
	"sethvargo": func(int) func(string) error {
		store := must(memorystore.New(&memorystore.Config{Tokens: often * 3600, Interval: time.Hour}))
		return func(key string) error {
			_, _, _, ok, err := store.Take(context.Background(), key)
			return passed(ok, err)
		}
	},
	"throttled": func(keys int) func(string) error {
		limiter := must(throttled.NewGCRARateLimiterCtx(must(memstore.NewCtx(keys)), throttled.RateQuota{
			MaxRate: throttled.PerSec(often), MaxBurst: often - 1,
		}))
		return func(key string) error {
			limited, _, err := limiter.RateLimitCtx(context.Background(), key, 1)
			return passed(!limited, err)
		}
	},
	"x-time-rate": func(int) func(string) error {
		var mu sync.Mutex
		limiters := map[string]*rate.Limiter{}
		return func(key string) error {
			mu.Lock()
			limiter := limiters[key]
			if limiter == nil {
				limiter = rate.NewLimiter(often, often)
				limiters[key] = limiter
			}
			mu.Unlock()
			return passed(limiter.Allow(), nil)
		}
	},
}

// limiterOrder is the order in which they are measured.
var limiterOrder = []string{"gabion", "gabion-sliding", "sethvargo", "throttled", "x-time-rate"}

func passed(ok bool, err error) error {
	if err == nil && !ok {
		return errLimited
	}
	return err
}

// manyKeys are so many keys in any order, and the bytes of their texts. Each has a text of its own, one behind the other: as
// that of a request, which has just been read, it is in the cache when it is asked for.
func manyKeys(n int, seed uint64) (keys []string, bytes uint64) {
	keys = make([]string, n)
	for i, j := range rand.New(rand.NewPCG(seed, 2)).Perm(n) {
		keys[i] = "user-" + strconv.Itoa(j)
		bytes += uint64(len(keys[i]))
	}
	return keys, bytes
}

// BenchmarkKeyedLimiter asks for a request of one of many keys. The limiters got to know them in another order, from other
// copies of their texts, as it is with keys that come with requests. bytes/key is the heap that a key takes beside its text.
func BenchmarkKeyedLimiter(b *testing.B) {
	for _, c := range []struct {
		name             string
		keys, goroutines int
	}{
		{"1k keys", 1_000, 1},
		{"1k keys, 2 goroutines", 1_000, 2},
		{"1M keys", 1_000_000, 1},
	} {
		var keys [][]string // of each goroutine
		var texts uint64
		for g := range c.goroutines {
			var own []string
			own, texts = manyKeys(c.keys, uint64(g))
			keys = append(keys, own)
		}
		for _, name := range limiterOrder {
			b.Run(c.name+"/"+name, func(b *testing.B) {
				take, size := filled(b, name, c.keys)
				together(b, keys, take)
				b.ReportMetric(float64(size-texts)/float64(c.keys), "bytes/key")
			})
		}
	}
}

// filled is a limiter that knows all keys, and the heap that it takes with the texts of the keys.
func filled(b *testing.B, name string, n int) (take func(string) error, size uint64) {
	before := heapNow()
	take = limiters[name](n)
	keys, _ := manyKeys(n, 100)
	for _, key := range keys {
		if err := take(key); err != nil {
			b.Fatal(err)
		}
	}
	return take, heapNow() - before
}

// slice is how many requests are measured at a time, some milliseconds of them: of a shorter one, much would be the time until what
// they need is in the caches of the processors on which the goroutines have just begun to run.
const slice = 40_000

// together asks for requests of all keys in turn, on a goroutine for each order of them, and reports CPU time per request. Where the
// machine lets one goroutine wait while another one runs, they do not get into each other's way; so only the slices of time
// count in which they ran together. Without any, nothing is reported.
func together(b *testing.B, keys [][]string, take func(string) error) {
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := take(keys[0][i%len(keys[0])]); err != nil {
			b.Fatal(err)
		}
	}
	from := 0
	report(b, slice, patience*time.Duration(len(keys)*len(keys)), func() (yardstick.Sample, bool) {
		from += slice
		return askAll(b, keys, from, slice, take)
	})
}

// askAll makes n calls, on a goroutine for each order of the keys. It says how much CPU time they took, and whether the goroutines
// ran at the same time.
func askAll(b *testing.B, keys [][]string, from, n int, take func(string) error) (s yardstick.Sample, ok bool) {
	stretches := make([]stretch, len(keys))
	var ready atomic.Int64
	var wg sync.WaitGroup
	for g, keys := range keys {
		wg.Go(func() {
			runtime.LockOSThread() // whose CPU time is measured
			defer runtime.UnlockOSThread()
			ready.Add(1)
			for ready.Load() < int64(len(stretches)) { // so that they begin at the same time
				continue
			}
			yard := yardstick.Take()
			began, before := time.Now(), cpu(b, ofThread)
			next := from / len(stretches) % len(keys)
			for range n / len(stretches) {
				if err := take(keys[next]); err != nil {
					b.Error(err)
					return
				}
				if next++; next == len(keys) {
					next = 0
				}
			}
			s := stretch{began: began, ended: time.Now(), cpu: cpu(b, ofThread) - before}
			s.yardstick = max(yard, yardstick.Take())
			stretches[g] = s
		})
	}
	wg.Wait()
	return overlap(stretches)
}

// stretch is what a goroutine did.
type stretch struct {
	began, ended time.Time
	cpu          time.Duration
	yardstick    float64
}

// overlap adds up the CPU time of goroutines, and says whether they ran at the same time for most of it.
func overlap(all []stretch) (sum yardstick.Sample, ok bool) {
	last, first, longest, waited := all[0].began, all[0].ended, time.Duration(0), false
	for _, s := range all {
		if s.began.After(last) {
			last = s.began
		}
		if s.ended.Before(first) {
			first = s.ended
		}
		took := s.ended.Sub(s.began)
		sum = yardstick.Sample{Value: sum.Value + float64(s.cpu), Yardstick: max(sum.Yardstick, s.yardstick)}
		longest, waited = max(longest, took), waited || s.cpu < took*9/10
	}
	return sum, len(all) == 1 || !waited && first.Sub(last) >= longest*7/10
}

func heapNow() uint64 {
	runtime.GC()
	runtime.GC() // what has a finalizer, too
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
