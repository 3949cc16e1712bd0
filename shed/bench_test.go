package shed

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
)

// BenchmarkAcquireDone is a call that starts at once: Acquire and Done, without the clock, which the pipe reads. In "limited", the
// limit is always reached, so that it is computed as often as it can be.
func BenchmarkAcquireDone(b *testing.B) {
	b.Run("serial", func(b *testing.B) {
		b.ReportAllocs()
		s, now := mustNew(b, Config{}), gabion.Now()
		for b.Loop() {
			now = mustCall(b, s, now)
		}
	})
	b.Run("limited", func(b *testing.B) {
		b.ReportAllocs()
		s, now := mustNew(b, Config{}), gabion.Now()
		for b.Loop() {
			s.core.Arrive(now, 0, "") // what a call does that finds no place
			s.core.Release()
			now = mustCall(b, s, now)
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		s := mustNew(b, Config{})
		b.RunParallel(func(pb *testing.PB) {
			for now := gabion.Now(); pb.Next(); {
				now = mustCall(b, s, now)
			}
		})
	})
}

// mustCall makes a call that takes 5 ms, and says when it ended.
func mustCall(b *testing.B, s *Shedder, now gabion.Instant) gabion.Instant {
	ticket, err := s.Acquire(context.Background(), now)
	if err != nil {
		b.Fatal(err)
	}
	s.Done(ticket, gabion.Result{Began: now, Ended: now + 5*time.Millisecond})
	return now + 5*time.Millisecond
}

func BenchmarkRefuse(b *testing.B) {
	s := mustNew(b, Config{Concurrency: 1, Deadline: MaxDeadline})
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	for range 3 { // one runs, two wait: a queue is that long before anything is known
		go func() { _, _ = s.Acquire(ctx, gabion.Now()) }() // it ends with the benchmark
	}
	for s.Snapshot().Queued < 2 {
		runtime.Gosched()
	}
	refused := func() {
		if _, err := s.Acquire(ctx, gabion.Now()); err == nil {
			b.Fatal("not refused")
		}
	}
	b.Run("serial", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			refused()
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				refused()
			}
		})
	})
}

func mustNew(t testing.TB, cfg Config) *Shedder {
	t.Helper()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
