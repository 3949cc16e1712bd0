package spool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var errDown = errors.New("down")

// receiver is the other end of a spool.
type receiver struct {
	mu      sync.Mutex
	err     error
	once    bool // it takes one batch, and then no more
	refuse  int
	hang    bool // until the context ends
	hanging bool
	batches []string
	tries   int
	told    []error
}

func (r *receiver) send(ctx context.Context, batch []string) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tries++
	if r.hang {
		r.hanging = true
		r.mu.Unlock()
		<-ctx.Done()
		r.mu.Lock()
		r.hanging = false
		return 0, ctx.Err()
	}
	if r.err == nil {
		r.batches = append(r.batches, strings.Join(batch, " "))
		if r.once {
			r.once, r.err = false, errDown
			return 0, nil
		}
	}
	return r.refuse, r.err
}

func (r *receiver) set(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

// bench is a spool of texts; each is an item of one unit.
type bench struct {
	*Spool[string]
	r *receiver
}

// within runs a test in a bubble.
func within(t *testing.T, cfg Config[string], test func(t *testing.T, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		cfg.Send, cfg.Told = r.send, func(err error) { r.told = append(r.told, err) }
		s := New(cfg)
		defer s.Close(t.Context())
		test(t, &bench{s, r})
	})
}

func (b *bench) put(texts ...string) {
	for _, text := range texts {
		b.Put(text, 1, len(text))
	}
}

func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (b *bench) want(t *testing.T, batches []string, c Counts) {
	t.Helper()
	synctest.Wait()
	if !slices.Equal(b.r.batches, batches) {
		t.Errorf("sent %q, want %q", b.r.batches, batches)
	}
	if got := b.Counts(); got != c {
		t.Errorf("%+v, want %+v", got, c)
	}
}

func TestItemsAreSentInOrderAndTogether(t *testing.T) {
	within(t, Config[string]{Every: time.Second}, func(t *testing.T, b *bench) {
		b.put("a", "b")
		pass(900 * time.Millisecond)
		b.put("c")
		b.want(t, nil, Counts{Buffered: 3, Bytes: 3 + 3*overhead})
		pass(100 * time.Millisecond)
		b.want(t, []string{"a b c"}, Counts{Sent: 3})
		pass(time.Hour)
		b.put("d")
		pass(time.Second)
		b.want(t, []string{"a b c", "d"}, Counts{Sent: 4})
	})
}

func TestAFullBatchIsSentAtOnce(t *testing.T) {
	within(t, Config[string]{Every: time.Hour, Batch: 2 * (overhead + 1)}, func(t *testing.T, b *bench) {
		b.put("a")
		b.want(t, nil, Counts{Buffered: 1, Bytes: overhead + 1})
		b.put("b", "c", "d", "e")
		b.want(t, []string{"a b", "c d", "e"}, Counts{Sent: 5})
	})
}

func TestTheOldestAreDropped(t *testing.T) {
	within(t, Config[string]{Every: time.Second, Batch: overhead + 1, Max: 10 * (overhead + 1)}, func(t *testing.T, b *bench) {
		b.r.err = errDown
		for i := range 100 {
			b.put(string(rune('0' + i%10)))
		}
		synctest.Wait() // the first of them has been tried, and has failed
		b.put("x")
		pass(time.Minute)
		if c := b.Counts(); c.Buffered != 10 || c.Bytes != 10*(overhead+1) || c.Dropped != 91 || c.Sent != 0 {
			t.Errorf("%+v", c)
		}
		b.r.set(func() { b.r.err = nil })
		pass(time.Minute)
		if got := strings.Join(b.r.batches, " "); got != "1 2 3 4 5 6 7 8 9 x" {
			t.Error(got)
		}
	})
}

func TestWhatIsBeingSentIsNotDropped(t *testing.T) {
	within(t, Config[string]{Timeout: time.Minute, Batch: overhead + 1, Max: 4 * (overhead + 1)}, func(t *testing.T, b *bench) {
		b.r.hang = true
		b.put("a")
		synctest.Wait()
		b.put("b", "c", "d", "e", "f")
		b.want(t, nil, Counts{Buffered: 4, Bytes: 4 * (overhead + 1), Dropped: 2})
		b.r.set(func() { b.r.hang = false })
		pass(2 * time.Minute) // the deadline ends the try
		b.want(t, []string{"a", "d", "e", "f"}, Counts{Sent: 4, Dropped: 2, Retries: 1})
	})
}

func TestItemsOutOfBounds(t *testing.T) {
	within(t, Config[string]{Batch: 100, Max: 4000}, func(t *testing.T, b *bench) {
		b.put(strings.Repeat("l", 1000-overhead))
		b.put(strings.Repeat("L", 1001-overhead))
		pass(time.Minute)
		if c := b.Counts(); c.Sent != 1 || c.Dropped != 1 || len(b.r.batches[0]) != 1000-overhead {
			t.Errorf("%+v", c)
		}
	})
}

func TestFailuresSlowDown(t *testing.T) {
	within(t, Config[string]{}, func(t *testing.T, b *bench) {
		b.r.err = errDown
		b.put("a")
		pass(10 * time.Minute)
		if b.r.tries < 20 || b.r.tries > 200 {
			t.Errorf("%d tries", b.r.tries)
		}
		b.r.set(func() { b.r.err = nil })
		pass(time.Minute)
		b.want(t, []string{"a"}, Counts{Sent: 1, Retries: uint64(b.r.tries - 1)})
		if len(b.r.told) != 2 || !errors.Is(b.r.told[0], errDown) || b.r.told[1] != nil {
			t.Errorf("told %v", b.r.told)
		}
	})
}

// TestAfterASuccessWaitsAreShortAgain: as short as at first.
func TestAfterASuccessWaitsAreShortAgain(t *testing.T) {
	within(t, Config[string]{Batch: overhead + 1}, func(t *testing.T, b *bench) {
		b.r.err = errDown
		b.put("a", "b")
		pass(time.Hour)
		b.r.set(func() { b.r.err, b.r.once = nil, true })
		for b.Counts().Sent == 0 {
			pass(time.Millisecond)
		}
		before := b.Counts().Retries
		pass(3 * time.Second)
		if n := b.Counts().Retries - before; n < 4 { // the longest waits would be 0.1, 0.2, 0.4, 0.8 s
			t.Errorf("%d tries in 3 s", n)
		}
		b.r.set(func() { b.r.err = nil })
	})
}

func TestTheReceiverSaysWhenToComeAgain(t *testing.T) {
	for after, want := range map[time.Duration]time.Duration{20 * time.Second: 20 * time.Second, 24 * time.Hour: 5 * time.Minute} {
		within(t, Config[string]{Every: time.Nanosecond}, func(t *testing.T, b *bench) {
			b.r.err = &AfterError{After: after, Err: errDown}
			b.put("a")
			pass(time.Nanosecond)
			b.r.set(func() { b.r.err = nil })
			pass(want - time.Nanosecond)
			b.want(t, nil, Counts{Buffered: 1, Bytes: overhead + 1, Retries: 1})
			pass(time.Second)
			b.want(t, []string{"a"}, Counts{Sent: 1, Retries: 1})
		})
	}
}

func TestWhatIsRefusedIsGivenUp(t *testing.T) {
	within(t, Config[string]{}, func(t *testing.T, b *bench) {
		b.r.err = fmt.Errorf("%w: bad", ErrRefused)
		b.Put("a", 3, 1)
		pass(time.Second)
		b.want(t, nil, Counts{Refused: 3})
		b.r.set(func() { b.r.err, b.r.refuse = nil, 2 })
		b.Put("b", 5, 1)
		pass(time.Second)
		b.want(t, []string{"b"}, Counts{Sent: 3, Refused: 5})
		b.r.set(func() { b.r.refuse = 100 })
		b.put("c")
		pass(time.Second)
		b.want(t, []string{"b", "c"}, Counts{Sent: 3, Refused: 6})
	})
}

func TestCloseSendsWhatIsLeft(t *testing.T) {
	within(t, Config[string]{Every: time.Hour}, func(t *testing.T, b *bench) {
		b.put("a", "b")
		if err := b.Close(t.Context()); err != nil {
			t.Error(err)
		}
		b.put("late")
		b.want(t, []string{"a b"}, Counts{Sent: 2, Dropped: 1})
		if err := b.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestCloseTriesAgainUntilItsEnd(t *testing.T) {
	within(t, Config[string]{}, func(t *testing.T, b *bench) {
		b.r.err = &AfterError{After: time.Hour, Err: errDown}
		b.put("a")
		pass(2 * time.Second) // it waits for the hour to pass
		b.r.set(func() { b.r.err = errDown })
		time.AfterFunc(5*time.Second, func() { b.r.set(func() { b.r.err = nil }) })
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := b.Close(ctx); err != nil {
			t.Error(err)
		}
		if c := b.Counts(); c.Sent != 1 || c.Buffered != 0 {
			t.Errorf("%+v", c)
		}
	})
}

// However long nothing was taken before: Close does not wait as long between its tries, and waits not at all before the first.
func TestCloseForgetsHowLongItFailed(t *testing.T) {
	for range 10 { // the waits are random
		within(t, Config[string]{}, func(t *testing.T, b *bench) {
			b.r.hang = true
			b.put("a")
			pass(10 * time.Minute)
			for hangs := false; !hangs; { // a try is as likely under way as not
				b.r.set(func() { hangs = b.r.hanging })
				pass(time.Second)
			}
			b.r.set(func() { b.r.hang = false })
			if err := b.Close(t.Context()); err != nil {
				t.Error(err)
			}
			b.want(t, []string{"a"}, Counts{Sent: 1, Retries: b.Counts().Retries})
		})
		within(t, Config[string]{}, func(t *testing.T, b *bench) {
			b.r.err = errDown
			b.put("a")
			pass(10 * time.Minute)
			time.AfterFunc(8*time.Second, func() { b.r.set(func() { b.r.err = nil }) })
			if err := b.Close(t.Context()); err != nil {
				t.Error(err)
			}
			b.want(t, []string{"a"}, Counts{Sent: 1, Retries: b.Counts().Retries})
		})
	}
}

func TestCloseEndsInTime(t *testing.T) {
	for name, fails := range map[string]func(*receiver){
		"hanging": func(r *receiver) { r.hang = true },
		"down":    func(r *receiver) { r.err = errDown },
	} {
		for _, bounded := range []bool{true, false} {
			within(t, Config[string]{Timeout: 7 * time.Second, Every: time.Hour}, func(t *testing.T, b *bench) {
				fails(b.r)
				b.put("a", "b")
				ctx, want := t.Context(), 7*time.Second
				if bounded {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, 3*time.Second)
					defer cancel()
					want = 3 * time.Second
				}
				began := time.Now()
				err := b.Close(ctx)
				if took := time.Since(began); took != want || !errors.Is(err, context.DeadlineExceeded) || !strings.HasPrefix(err.Error(), "2 not sent: ") {
					t.Errorf("%s: after %v: %v", name, took, err)
				}
				if c := b.Counts(); c.Dropped != 2 || c.Buffered != 0 || c.Bytes != 0 {
					t.Errorf("%+v", c)
				}
			})
		}
	}
}

// TestPutFromManyGoroutines: nothing gets lost that was not counted.
func TestPutFromManyGoroutines(t *testing.T) {
	var got int
	s := New(Config[string]{Batch: 1 << 10, Max: 64 << 10, Send: func(_ context.Context, batch []string) (int, error) {
		got += len(batch)
		return 0, nil
	}})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 10_000 {
				s.Put("text", 1, 4)
			}
		})
	}
	all.Wait()
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if c := s.Counts(); int(c.Sent) != got || c.Sent+c.Dropped != 80_000 || c.Sent == 0 {
		t.Errorf("%d came, %+v", got, c)
	}
}

func TestDequeIsAQueueWithTwoEnds(t *testing.T) {
	var d deque[int]
	var model []int
	for i := range 20_000 {
		switch {
		case i%7 == 3:
			d.pushFront(i)
			model = slices.Insert(model, 0, i)
		case i%5 == 1 && len(model) > 0, i > 12_000 && len(model) > 0:
			if got := d.popFront(); got != model[0] {
				t.Fatalf("step %d: %d, want %d", i, got, model[0])
			}
			model = model[1:]
		case i < 9_000:
			d.pushBack(i)
			model = append(model, i)
		}
		if d.length != len(model) || d.length > 0 && *d.front() != model[0] {
			t.Fatalf("step %d: %d items, want %d", i, d.length, len(model))
		}
	}
	for d.length > 0 {
		d.popFront()
	}
	if d.ring != nil {
		t.Errorf("an empty queue keeps a ring of %d", len(d.ring))
	}
}

func BenchmarkPut(b *testing.B) {
	s := New(Config[[]byte]{Send: func(context.Context, [][]byte) (int, error) { return 0, errDown }, Every: time.Hour})
	line := make([]byte, 300)
	b.ReportAllocs()
	for b.Loop() {
		s.Put(line, 1, len(line))
	}
	ctx, cancel := context.WithCancel(b.Context())
	cancel()
	// What is left is lost on purpose.
	_ = s.Close(ctx)
}
