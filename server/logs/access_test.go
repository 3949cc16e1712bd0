package logs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// sink keeps what is written; while blocked is open it stalls.
type sink struct {
	mu      sync.Mutex
	text    bytes.Buffer
	writes  int
	blocked chan struct{}
	err     error
}

func (s *sink) Write(p []byte) (int, error) {
	if s.blocked != nil {
		<-s.blocked
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	if s.err != nil {
		return 0, s.err
	}
	return s.text.Write(p)
}

func (s *sink) lines() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Count(s.text.String(), "\n")
}

func counts(t *testing.T, a *Access, written, dropped uint64) {
	t.Helper()
	if w, d := a.Counts(); w != written || d != dropped {
		t.Errorf("%d lines written and %d dropped, want %d and %d", w, d, written, dropped)
	}
}

func TestFlushedByTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sink
		a := New(&s, Config{})
		a.Record(served(), 0)
		a.Record(served(), 0)
		time.Sleep(199 * time.Millisecond)
		synctest.Wait()
		if s.lines() != 0 {
			t.Error("written before it is due")
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if s.lines() != 2 || s.writes != 1 {
			t.Errorf("%d lines in %d writes", s.lines(), s.writes)
		}
		time.Sleep(time.Second)
		if synctest.Wait(); s.writes != 1 {
			t.Error("nothing was written")
		}
		if err := a.Close(t.Context()); err != nil {
			t.Error(err)
		}
		counts(t, a, 2, 0)
	})
}

func TestFlushedBySize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sink
		line := len(appendLine(nil, served(), 0, newIdentities()))
		a := New(&s, Config{Buffer: 3*line + 1})
		for range 7 {
			a.Record(served(), 0)
		}
		synctest.Wait()
		if s.lines() != 6 || s.writes != 2 {
			t.Errorf("%d lines in %d writes", s.lines(), s.writes)
		}
		if err := a.Close(t.Context()); err != nil {
			t.Error(err)
		}
		counts(t, a, 7, 0)
		a.Record(served(), 0)
		counts(t, a, 7, 1)
		if err := a.Close(t.Context()); err != nil {
			t.Errorf("closed twice: %v", err)
		}
	})
}

func TestStalledSinkLosesLinesAndHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sink{blocked: make(chan struct{})}
		line := len(appendLine(nil, served(), 0, newIdentities()))
		fed := 0
		a := New(&s, Config{Buffer: 10 * line, Buffers: 4, Feed: func(lines []byte) { fed += bytes.Count(lines, []byte("\n")) }})
		for range 100 {
			a.Record(served(), 0)
			synctest.Wait()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if counts(t, a, 0, 80); fed != 100 {
			t.Errorf("the store got %d lines", fed)
		}
		a.Record(served(), 0)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if err := a.Close(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		close(s.blocked)
		if err := a.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if counts(t, a, 21, 80); fed != 101 {
			t.Errorf("the store got %d lines", fed)
		}
	})
}

func TestSlowFeedHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sink
		wait, fed := make(chan struct{}), 0
		a := New(&s, Config{Buffer: len(appendLine(nil, served(), 0, newIdentities())), Buffers: 4, Feed: func([]byte) { <-wait; fed++ }})
		for range 100 {
			a.Record(served(), 0)
		}
		counts(t, a, 0, 96)
		close(wait)
		if err := a.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if written, dropped := a.Counts(); fed != 4 || written == 0 || written+dropped != 100 {
			t.Errorf("%d lines fed, %d written, %d dropped", fed, written, dropped)
		}
	})
}

func TestGoesOnAfterAStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sink{blocked: make(chan struct{})}
		a := New(&s, Config{Buffer: len(appendLine(nil, served(), 0, newIdentities())), Buffers: 4})
		for range 5 {
			a.Record(served(), 0)
			synctest.Wait()
		}
		counts(t, a, 0, 2)
		close(s.blocked)
		synctest.Wait()
		for range 4 {
			a.Record(served(), 0)
			synctest.Wait()
		}
		if err := a.Close(t.Context()); err != nil {
			t.Error(err)
		}
		counts(t, a, 7, 2)
	})
}

func TestFailingSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sink{err: errors.New("disk full")}
		a := New(&s, Config{})
		a.Record(served(), 0)
		if err := a.Close(t.Context()); !errors.Is(err, s.err) {
			t.Errorf("error %v", err)
		}
		counts(t, a, 0, 1)
	})
}

func TestTooLongAndOff(t *testing.T) {
	var s sink
	a := New(&s, Config{Buffer: 10})
	a.Record(served(), 0)
	a.Enable(false)
	a.Record(served(), 0)
	if err := a.Close(t.Context()); err != nil {
		t.Error(err)
	}
	counts(t, a, 0, 1)
	if s.writes != 0 {
		t.Errorf("%q", s.text.String())
	}
}

func TestConcurrentUse(t *testing.T) {
	var s sink
	a := New(&s, Config{Buffer: 2000, Buffers: 1000, Every: time.Millisecond})
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 500 {
				a.Record(served(), 0)
			}
		})
	}
	group.Wait()
	if err := a.Close(t.Context()); err != nil {
		t.Error(err)
	}
	counts(t, a, 2000, 0)
	for line := range bytes.Lines(s.text.Bytes()) {
		if !json.Valid(line) {
			t.Fatalf("torn line %q", line)
		}
	}
	if s.lines() != 2000 {
		t.Errorf("%d lines", s.lines())
	}
}
