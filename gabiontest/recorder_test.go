package gabiontest_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/gabiontest"
)

var (
	aRetry = gabion.Event{Kind: gabion.EventRetry, Policy: "retry", Name: "catalog", Attempt: 1, Err: fmt.Errorf("asking: %w", errOwn)}
	opened = gabion.Event{Kind: gabion.EventState, Policy: "breaker", Name: "catalog", From: "closed", To: "open", Detail: "5 failures in a row"}
	aCall  = gabion.Event{Kind: gabion.EventCall, Policy: "pipe", Key: "b", Outcome: gabion.Failure, Took: time.Second, Err: errOwn}
	passed = gabion.Event{Kind: gabion.EventCall, Policy: "pipe"}
)

func record(t testing.TB, events ...gabion.Event) *gabiontest.Recorder {
	r := gabiontest.NewRecorder(t)
	for _, e := range events {
		r.Observe(e)
	}
	return r
}

func TestCountLooksAtWhatIsSet(t *testing.T) {
	r := record(t, aRetry, opened, aCall, passed, passed)
	tests := []struct {
		like gabion.Event
		want int
	}{
		{gabion.Event{}, 5},
		{gabion.Event{Kind: gabion.EventRetry}, 1},
		{gabion.Event{Policy: "breaker"}, 1},
		{gabion.Event{Name: "catalog"}, 2},
		{gabion.Event{Key: "b"}, 1},
		{gabion.Event{Attempt: 1}, 1},
		{gabion.Event{Attempt: 2}, 0},
		{gabion.Event{From: "closed", To: "open"}, 1},
		{gabion.Event{From: "open"}, 0},
		{gabion.Event{Detail: "5 failures in a row"}, 1},
		{gabion.Event{Took: time.Second}, 1},
		{gabion.Event{Err: errOwn}, 2},
		{gabion.Event{Err: errors.ErrUnsupported}, 0},
		{gabion.Event{Outcome: gabion.Failure}, 1},
		{gabion.Event{Kind: gabion.EventCall}, 2}, // the successes
		{gabion.Event{Kind: gabion.EventCall, Outcome: gabion.Failure}, 1},
		{aCall, 1},
	}
	for _, test := range tests {
		if got := r.Count(test.like); got != test.want {
			t.Errorf("%+v: %d, want %d", test.like, got, test.want)
		}
	}
}

func TestExpect(t *testing.T) {
	fake := &fakeTB{}
	r := record(fake, aRetry, opened, aCall)
	r.Expect()
	r.Expect(aRetry, aCall)
	if len(fake.failures) > 0 {
		t.Errorf("failed: %q", fake.failures)
	}
	r.Expect(gabion.Event{Kind: gabion.EventState, To: "open"}, gabion.Event{Kind: gabion.EventRetry}, aCall)
	fake.failed(t, "the events break off at 2 of 3", "1. : state  → open: found\n", "2. : retry: NOT FOUND after those",
		"3. pipe", "not looked for", `breaker "catalog": state closed → open (5 failures in a row)`)
}

func TestEventsAreShownWithTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := gabiontest.NewRecorder(t)
		if r.String() != "  (no events)" {
			t.Errorf("without events: %q", r)
		}
		for _, e := range []gabion.Event{aRetry, opened, aCall, passed} {
			time.Sleep(1500 * time.Millisecond)
			e.At = gabion.Now()
			r.Observe(e)
		}
		want := strings.Join([]string{
			`        +1.5s  retry "catalog": retry attempt 1: asking: own error`,
			`          +3s  breaker "catalog": state closed → open (5 failures in a row)`,
			`        +4.5s  pipe key "b": call failure took 1s: own error`,
			`          +6s  pipe: call success`,
		}, "\n")
		if r.String() != want {
			t.Errorf("got\n%s\nwant\n%s", r, want)
		}
	})
}

func TestWhatARecorderCannotKnowFailsTheTest(t *testing.T) {
	fake := &fakeTB{}
	r := gabiontest.NewRecorder(fake)
	for range 10_000 {
		r.Observe(passed)
	}
	if n := r.Count(passed); n != 10_000 || len(fake.failures) > 0 {
		t.Errorf("counted %d, failed: %q", n, fake.failures)
	}
	r.Observe(opened)
	r.Count(opened)
	fake.failed(t, "1 events came after the first 10000")
	if !strings.HasSuffix(r.String(), "(1 more came)") {
		t.Error("the text does not tell")
	}
}

func TestManyMayRecordAtOnce(t *testing.T) {
	r := gabiontest.NewRecorder(t)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				r.Observe(passed)
				r.Count(passed)
			}
		})
	}
	all.Wait()
	if n := len(r.Events()); n != 800 {
		t.Errorf("%d events", n)
	}
	r.Events()[0] = opened
	if r.Count(opened) != 0 {
		t.Error("the events belong to who asked, and are the recorder's own")
	}
}
