package ratelimit

import (
	"math/rand/v2"
	"runtime"
	"strconv"
	"testing"
	"time"
	"unsafe"

	"github.com/gabion-io/gabion/internal/keytable"
)

// benchmarkKeys are n keys and the bytes of their texts.
func benchmarkKeys(n int) (keys []string, texts uint64) {
	keys = make([]string, n)
	for i := range keys {
		keys[i] = "user-" + strconv.Itoa(i)
		texts += uint64(len(keys[i]))
	}
	return keys, texts
}

// BenchmarkTake asks for random ones of many keys. bytes/key is the heap for each remembered key beside its text.
func BenchmarkTake(b *testing.B) {
	for _, n := range []int{1_000, 1_000_000} {
		b.Run(strconv.Itoa(n)+"_keys", func(b *testing.B) {
			keys, texts := benchmarkKeys(n)
			before := heap()
			l := mustRequests(b, RequestsConfig{Rate: perSecond(10), MaxKeys: n})
			now := time.Hour
			for _, key := range keys {
				l.Take(now, key, 1)
			}
			perKey := float64(heap()-before-texts) / float64(n)
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				random := rand.New(rand.NewPCG(1, 2))
				for pb.Next() {
					l.TakeNow(keys[random.IntN(n)], 1)
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
	keys, _ := benchmarkKeys(1000)
	now := time.Hour
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		now += time.Millisecond
		charge, _ := l.Begin(now, keys[i%len(keys)])
		charge.Settle(now+time.Millisecond, time.Millisecond)
	}
}

// As the index has just grown: that is when it takes most.
func TestMemoryOfAKey(t *testing.T) {
	const n = 200_000
	keys, texts := benchmarkKeys(n)
	before := heap()
	l := mustRequests(t, RequestsConfig{Rate: perSecond(10), MaxKeys: n})
	for _, key := range keys {
		l.Take(time.Hour, key, 1)
	}
	perKey := float64(heap()-before-texts) / n
	runtime.KeepAlive(keys)
	t.Logf("%.1f bytes a key beside its text", perKey)
	if s := l.Snapshot(); perKey > 64 || s.Keys != n || s.Overflowed != 0 {
		t.Errorf("%.1f bytes a key beside its text; %+v", perKey, s)
	}
}

// What [Usage] needs is in the bucket, so that a bucket has no pointers, and with its lock and the beginning of its key is
// one cache line.
func TestBucketIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(keytable.Entry[bucket]{}); size != 64 {
		t.Errorf("%d bytes", size)
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
