package gabiontest_test

import (
	"context"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion/gabiontest"
)

// waits is a goroutine that ends when told.
func waits(until chan struct{}) { <-until }

func TestNoLeakFindsWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeTB{}
		gabiontest.NoLeak(fake)
		until := make(chan struct{})
		for range 2 {
			go func() { go waits(until) }() // also what is started indirectly
		}
		began := time.Now()
		fake.end()
		fake.failed(t, "goroutines are left", "2 goroutines at", "gabiontest_test.waits", "gabiontest/leak_test.go:")
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("it had %v to end", took)
		}
		close(until)
	})
}

func TestNoLeakGivesTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeTB{}
		gabiontest.NoLeak(fake)
		until := make(chan struct{})
		go waits(until)
		time.AfterFunc(4*time.Second, func() { close(until) })
		began := time.Now()
		fake.end()
		if took := time.Since(began); len(fake.failures) > 0 || took < 4*time.Second || took > 5*time.Second {
			t.Errorf("after %v: %q", took, fake.failures)
		}
	})
}

func TestNoLeakLooksAtItsTestAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until := make(chan struct{})
		defer close(until)
		go waits(until) // before
		fake := &fakeTB{}
		gabiontest.NoLeak(fake)
		other := make(chan struct{})
		go func() {
			gabiontest.NoLeak(&fakeTB{}) // another test, that goes on
			go waits(until)
			close(other)
		}()
		<-other
		fake.end()
		go waits(until) // after
		if len(fake.failures) > 0 {
			t.Errorf("failed: %q", fake.failures)
		}
	})
}

func TestNoLeakIgnores(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeTB{}
		gabiontest.NoLeak(fake, "no such function", "gabiontest_test.waits")
		until := make(chan struct{})
		go waits(until)
		fake.end()
		if len(fake.failures) > 0 {
			t.Errorf("failed: %q", fake.failures)
		}
		close(until)
	})
}

// The goroutine for signals is started by whoever asks first, and stays.
func TestNoLeakKnowsWhatStays(t *testing.T) {
	fake := &fakeTB{}
	gabiontest.NoLeak(fake)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt)
	signal.Stop(signals)
	fake.end()
	if len(fake.failures) > 0 {
		t.Errorf("failed: %q", fake.failures)
	}
}

func TestNoLeakInRealTime(t *testing.T) {
	gabiontest.NoLeak(t)
	ended := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel) // comes before the check
	go func() {
		<-ctx.Done()
		runtime.Gosched()
		close(ended)
	}()
}

func TestLongStacksAreCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeTB{}
		gabiontest.NoLeak(fake)
		until := make(chan struct{})
		go deep(30, until)
		fake.end()
		close(until)
		if n := strings.Count(fake.failures[0], "leak_test.go"); n < 5 || n > 10 {
			t.Errorf("%d frames in\n%s", n, fake.failures[0])
		}
	})
}

func deep(n int, until chan struct{}) {
	if n == 0 {
		<-until
		return
	}
	deep(n-1, until)
}
