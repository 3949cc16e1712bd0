package policies

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sethvargo/go-limiter/memorystore"
	"github.com/throttled/throttled/v2"
	"github.com/throttled/throttled/v2/store/memstore"
	"golang.org/x/time/rate"

	"github.com/gabion-io/gabion"
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
		return func(key string) error { return passed(l.Take(gabion.Now(), key, 1).OK, nil) }
	},
	"gabion-sliding": func(keys int) func(string) error {
		l := must(ratelimit.NewRequests(ratelimit.RequestsConfig{
			Rate: ratelimit.Rate{Count: often, Per: time.Second}, MaxKeys: keys, Sliding: true,
		}))
		return func(key string) error { return passed(l.Take(gabion.Now(), key, 1).OK, nil) }
	},
	"sethvargo": func(int) func(string) error {
		store := must(memorystore.New(&memorystore.Config{Tokens: often, Interval: time.Second}))
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

// manyKeys are so many keys, in an order in which no cache helps, and the bytes of their texts.
func manyKeys(n int) (keys []string, bytes uint64) {
	keys = make([]string, n)
	for i := range keys {
		keys[i] = "user-" + strconv.Itoa(i)
		bytes += uint64(len(keys[i]))
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(n, func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	return keys, bytes
}

// BenchmarkKeyedLimiter asks for a request of one of many keys. bytes/key is the heap that a key takes beside its text.
func BenchmarkKeyedLimiter(b *testing.B) {
	for _, c := range []struct {
		name             string
		keys, goroutines int
	}{
		{"1k keys", 1_000, 1},
		{"1k keys, 2 goroutines", 1_000, 2},
		{"1M keys", 1_000_000, 1},
	} {
		keys, texts := manyKeys(c.keys)
		for _, name := range limiterOrder {
			var take func(string) error
			var size uint64
			b.Run(c.name+"/"+name, func(b *testing.B) {
				if take == nil { // this function is called several times
					take, size = filled(b, name, keys)
					if strings.HasPrefix(name, "gabion") {
						size -= texts // which it has copied; the others keep what they were given
					}
				}
				together(b, c.goroutines, keys, take)
				b.ReportMetric(float64(size)/float64(c.keys), "bytes/key")
			})
		}
	}
}

// filled is a limiter that knows all keys, and the heap that it takes.
func filled(b *testing.B, name string, keys []string) (take func(string) error, size uint64) {
	before := heapNow()
	take = limiters[name](len(keys))
	for _, key := range keys {
		if err := take(key); err != nil {
			b.Fatal(err)
		}
	}
	return take, heapNow() - before
}

// together asks for requests of all keys in turn, on several goroutines, and reports CPU time per request.
func together(b *testing.B, goroutines int, keys []string, take func(string) error) {
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu(b)
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			next := g * len(keys) / goroutines
			for range b.N / goroutines {
				if err := take(keys[next]); err != nil {
					b.Error(err)
					return
				}
				if next++; next == len(keys) {
					next = 0
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
}

func heapNow() uint64 {
	runtime.GC()
	runtime.GC() // what has a finalizer, too
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
