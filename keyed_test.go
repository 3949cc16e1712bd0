package gabion_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gabion-io/gabion"
)

func TestForNeedsPerKey(t *testing.T) {
	if pipe, err := newPipe(t, gabion.Config{}).For("a"); pipe != nil || err == nil {
		t.Errorf("got %v, %v", pipe, err)
	}
}

// perKey is a pipe whose keys have a guard of their own, with the key as its name, and counts how many were made.
func perKey(t *testing.T, bound int) (*gabion.Pipe, *atomic.Int32) {
	t.Helper()
	var made atomic.Int32
	return newPipe(t, gabion.Config{MaxKeys: bound, PerKey: func(key string) ([]gabion.Policy, error) {
		made.Add(1)
		return []gabion.Policy{&watcher{name: key, journal: new(journal)}}, nil
	}}), &made
}

func mustFor(t *testing.T, p *gabion.Pipe, key string) *gabion.Pipe {
	t.Helper()
	of, err := p.For(key)
	if err != nil || names(of) != key {
		t.Fatalf("the pipe of %s: %v, %v", key, of, err)
	}
	return of
}

func TestForGivesEachKeyItsPipe(t *testing.T) {
	var told gabion.Event
	pipe := newPipe(t, gabion.Config{
		Name:     "catalog",
		Observer: gabion.ObserverFunc(func(e gabion.Event) { told = e }),
		PerKey: func(key string) ([]gabion.Policy, error) {
			return []gabion.Policy{&watcher{name: key, journal: new(journal)}}, nil
		},
	})
	a, b := mustFor(t, pipe, "a"), mustFor(t, pipe, "b")
	if a == b || mustFor(t, pipe, "a") != a {
		t.Error("the same key gives another pipe, or another key the same")
	}
	if err := b.Run(t.Context(), succeed); err != nil || told.Key != "b" || told.Name != "catalog" {
		t.Errorf("told of %+v, %v", told, err)
	}
}

func TestTrap26KeysAreBounded(t *testing.T) {
	pipe, made := perKey(t, 3)
	first := mustFor(t, pipe, "first")
	for i := range 100_000 {
		mustFor(t, pipe, fmt.Sprint(i))
		if mustFor(t, pipe, "first") != first {
			t.Fatal("a key that is in use was forgotten")
		}
	}
	before := made.Load()
	for _, kept := range []string{"first", "99999", "99998"} {
		mustFor(t, pipe, kept)
	}
	if made.Load() != before {
		t.Error("one of the last three keys was forgotten")
	}
	mustFor(t, pipe, "0")
	if made.Load() != before+1 {
		t.Error("a key beyond the bound is remembered")
	}
}

func TestForMakesAKeyOnceAndOutsideOfItsLock(t *testing.T) {
	var made atomic.Int32
	var pipe *gabion.Pipe
	release := make(chan struct{})
	pipe = newPipe(t, gabion.Config{PerKey: func(key string) ([]gabion.Policy, error) {
		if key == "slow" {
			made.Add(1)
			<-release
			if _, err := pipe.For("other"); err != nil { // a PerKey that uses its pipe
				return nil, err
			}
		}
		return nil, nil
	}})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := pipe.For("slow"); err != nil {
				t.Error(err)
			}
		})
	}
	if _, err := pipe.For("quick"); err != nil { // does not wait for the slow one
		t.Error(err)
	}
	close(release)
	all.Wait()
	if made.Load() != 1 {
		t.Errorf("made %d times", made.Load())
	}
}

func TestForTriesAgainWhatFailed(t *testing.T) {
	calls := 0
	pipe := newPipe(t, gabion.Config{PerKey: func(string) ([]gabion.Policy, error) {
		switch calls++; calls {
		case 1:
			return nil, errDown
		case 2:
			return []gabion.Policy{nil}, nil
		case 3:
			panic("in PerKey")
		}
		return nil, nil
	}})
	if _, err := pipe.For("a"); !errors.Is(err, errDown) {
		t.Errorf("first: %v", err)
	}
	if _, err := pipe.For("a"); err == nil {
		t.Error("second: no error")
	}
	leave(t, func() { pipe.For("a") })
	if of, err := pipe.For("a"); err != nil || of.Run(t.Context(), func(context.Context) error { return nil }) != nil {
		t.Errorf("fourth: %v", err)
	}
}
