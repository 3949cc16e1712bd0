package kit

import (
	"context"
	"runtime"
	"runtime/debug"
	"strconv"
	"testing"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/breaker"
	"github.com/gabion-io/gabion/bulkhead"
)

// inUse is what the heap and the stacks hold, and how many goroutines there are.
func inUse() (bytes, goroutines int) {
	runtime.GC()
	runtime.GC() // what finalizers and pools held in the first
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse), runtime.NumGoroutine()
}

// TestTrap25AMillionCallsCostNothing: neither memory nor goroutines grow with the number of calls.
func TestTrap25AMillionCallsCostNothing(t *testing.T) {
	e := newEverything(t)
	pipe := e.pipe("breaker", "bulkhead", "fallback", "requests", "retry", "server time", "shed", "timeout")
	ctx := t.Context()
	failing := 0
	calls := func(n int) {
		for i := range n {
			gabion.Do(ctx, pipe, func(context.Context) (int, error) {
				if i%10_000 == 0 {
					failing++
					return 0, errDown
				}
				return i, nil
			})
		}
	}
	n := 1_000_000 / slower
	calls(n / 4)
	bytes, goroutines := inUse()
	calls(n)
	more, after := inUse()
	if more > bytes+256<<10 || after > goroutines {
		t.Errorf("%d bytes and %d goroutines, before %d calls %d and %d", more, after, n, bytes, goroutines)
	}
	if failing == 0 {
		t.Error("no call failed")
	}
	runtime.KeepAlive(pipe)
}

// TestTrap26MillionsOfKeysAreBounded: a pipe remembers MaxKeys keys, whatever is asked for, and those that were used last.
func TestTrap26MillionsOfKeysAreBounded(t *testing.T) {
	const bound = 1000
	defer debug.SetGCPercent(debug.SetGCPercent(2000)) // what is kept is so little that it would be looked through all the time
	shared := must(bulkhead.New(bulkhead.Config{}))
	made := 0
	pipe := must(gabion.New(gabion.Config{MaxKeys: bound, PerKey: func(string) ([]gabion.Policy, error) {
		made++
		return []gabion.Policy{shared}, nil
	}}))
	keys := func(from, n int) {
		for i := from; i < from+n; i++ {
			must(pipe.For(strconv.Itoa(i)))
		}
	}
	n := 2_000_000 / slower
	keys(0, n/10)
	before, _ := inUse()
	keys(n/10, n)
	after, _ := inUse()
	if after > before+256<<10 {
		t.Errorf("%d bytes, before %d keys %d", after, n, before)
	}
	last := n/10 + n
	made = 0
	if keys(last-bound, bound); made != 0 {
		t.Errorf("%d of the last %d keys were forgotten", made, bound)
	}
	if keys(0, 1); made != 1 {
		t.Error("the first key is still known")
	}
}

// Keys whose policies hold memory give it back when they are forgotten.
func TestForgottenKeysKeepNothing(t *testing.T) {
	pipe := must(gabion.New(gabion.Config{MaxKeys: 100, PerKey: func(key string) ([]gabion.Policy, error) {
		b, err := breaker.New(breaker.Config{Name: key})
		return []gabion.Policy{b}, err
	}}))
	use := func(from, n int) {
		for i := from; i < from+n; i++ {
			if err := must(pipe.For(strconv.Itoa(i))).Run(t.Context(), func(context.Context) error { return nil }); err != nil {
				t.Fatal(err)
			}
		}
	}
	n := 100_000 / slower
	use(0, n/10)
	before, _ := inUse()
	use(n/10, n)
	if after, _ := inUse(); after > before+256<<10 {
		t.Errorf("%d bytes, before %d keys %d", after, n, before)
	}
}
