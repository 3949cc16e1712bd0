package gabion_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion"
)

func TestPermit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen journal
		var told []gabion.Event
		policies := []gabion.Policy{&director{name: "driver", journal: &seen}}
		for i := range 6 { // more than a permit has room for without allocating
			policies = append(policies, &watcher{name: fmt.Sprint(i), position: gabion.Position(i), journal: &seen})
		}
		pipe := newPipe(t, gabion.Config{Observer: gabion.ObserverFunc(func(e gabion.Event) { told = append(told, e) })}, policies...)
		permit, err := pipe.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		permit.Done(gabion.Failure, errDown)
		want := "0 admits, 1 admits, 2 admits, 3 admits, 4 admits, 5 admits, " +
			"5 done: failure, 4 done: failure, 3 done: failure, 2 done: failure, 1 done: failure, 0 done: failure"
		if got := strings.Join(seen, ", "); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		w := policies[1].(*watcher)
		if r := w.results[0]; r.Ended-r.Began != time.Second || !errors.Is(r.Err, errDown) {
			t.Errorf("told %+v, want a second", r)
		}
		if len(told) != 1 || told[0].Outcome != gabion.Failure || told[0].Took != time.Second || !errors.Is(told[0].Err, errDown) {
			t.Errorf("the observer is told %+v", told)
		}
	})
}

func TestPermitIsGivenBackOnce(t *testing.T) {
	w := &watcher{name: "guard", journal: new(journal)}
	permit, err := newPipe(t, gabion.Config{}, w).Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { permit.Done(gabion.Success, nil) })
	}
	all.Wait()
	if len(w.results) != 1 || w.held.Load() != 0 {
		t.Errorf("given back %d times, %d held", len(w.results), w.held.Load())
	}
}
