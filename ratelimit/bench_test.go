package ratelimit

import (
	"math/rand/v2"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
)

func benchmarkKeys(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = "user-" + strconv.Itoa(i)
	}
	return keys
}

// BenchmarkTake asks for random ones of many keys. bytes/key is the heap for each remembered key, its text included.
func BenchmarkTake(b *testing.B) {
	for _, n := range []int{1_000, 1_000_000} {
		b.Run(strconv.Itoa(n)+"_keys", func(b *testing.B) {
			keys := benchmarkKeys(n)
			before := heap()
			l := mustRequests(b, RequestsConfig{Rate: perSecond(10), MaxKeys: n})
			now := time.Hour
			for _, key := range keys {
				l.Take(now, key, 1)
			}
			perKey := float64(heap()-before) / float64(n)
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				random := rand.New(rand.NewPCG(1, 2))
				for pb.Next() {
					l.Take(gabion.Now(), keys[random.IntN(n)], 1)
				}
			})
			b.ReportMetric(perKey, "bytes/key")
		})
	}
}

// BenchmarkMadeUpKeys asks for a new key each time, with the store full of keys that can be forgotten.
func BenchmarkMadeUpKeys(b *testing.B) {
	l := mustRequests(b, RequestsConfig{Rate: perSecond(1_000_000), Burst: 1})
	now := time.Hour
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		now += 10 * time.Microsecond
		l.Take(now, "user-"+strconv.Itoa(i), 1)
	}
	if keys := l.Snapshot().Keys; keys > defaultMaxKeys {
		b.Errorf("%d keys", keys)
	}
}

func BenchmarkBeginSettle(b *testing.B) {
	l := mustServerTime(b, ServerTimeConfig{Quota: Quota{time.Hour, time.Hour}})
	keys := benchmarkKeys(1000)
	now := time.Hour
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		now += time.Millisecond
		charge, _ := l.Begin(now, keys[i%len(keys)])
		charge.Settle(now+time.Millisecond, time.Millisecond)
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
