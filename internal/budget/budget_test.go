package budget

import (
	"math"
	"sync"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
)

func TestCallsBringTheirShare(t *testing.T) {
	b := New(0.2)
	now := time.Hour
	for range Reserve {
		if !b.Charge(now) {
			t.Fatal("the reserve is not there")
		}
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 25 {
				b.Start(now)
			}
		})
	}
	all.Wait()
	if left := b.Left(now); math.Abs(left-20) > 1e-9 {
		t.Errorf("100 calls brought %v, want 20", left)
	}
	for i := range 21 {
		if b.Charge(now) != (i < 20) {
			t.Errorf("charge %d", i+1)
		}
	}
}

// TestBurstAfterQuietTime: what was long ago does not make less of what is now.
func TestBurstAfterQuietTime(t *testing.T) {
	b := New(0.1)
	for i := range 100 {
		b.Start(time.Hour + time.Duration(i)*time.Millisecond)
	}
	later := 2 * time.Hour
	for range 1000 {
		b.Start(later)
	}
	if left := b.Left(later); math.Abs(left-(Reserve+100)) > 1e-9 {
		t.Errorf("%v, want the reserve and a tenth of 1000", left)
	}
}

func TestShareChanges(t *testing.T) {
	b := New(gabion.Off)
	if b.Start(time.Hour); !b.Charge(time.Hour) || b.Left(time.Hour) != Reserve {
		t.Error("off bounds something")
	}
	b.Update(0.5)
	b.Start(time.Hour)
	b.Update(0.1)
	b.Start(time.Hour)
	if left := b.Left(time.Hour); math.Abs(left-Reserve-0.6) > 1e-9 {
		t.Errorf("%v: each call must bring the share of its time", left)
	}
	b.Start(time.Hour)
	b.Update(gabion.Off)
	b.Start(2 * time.Hour)
	if calls := b.Calls(); calls != 5 {
		t.Errorf("%d calls, want 5", calls)
	}
}

// No call is counted twice, or not at all, while calls are put into the bucket.
func TestCallsAreCounted(t *testing.T) {
	const goroutines, each = 16, 2000
	for name, share := range map[string]gabion.Share{"on": 0.2, "off": gabion.Off} {
		b := New(share)
		var all sync.WaitGroup
		for range goroutines {
			all.Go(func() {
				last := uint64(0)
				for i := range each {
					now := time.Hour + time.Duration(i)*tick/4
					b.Start(now)
					if i%8 == 0 {
						b.Charge(now)
						calls := b.Calls()
						if calls <= last {
							t.Errorf("%s: %d calls after %d", name, calls, last)
						}
						last = calls
					}
				}
			})
		}
		all.Wait()
		if calls := b.Calls(); calls != goroutines*each {
			t.Errorf("%s: %d calls, want %d", name, calls, goroutines*each)
		}
	}
}
