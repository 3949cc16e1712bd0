package event_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/event"
)

func ids(events []event.Event) string {
	var b strings.Builder
	for _, e := range events {
		fmt.Fprintf(&b, "%d ", e.ID)
	}
	return strings.TrimSpace(b.String())
}

func TestSincePagesThroughTheRing(t *testing.T) {
	l := event.NewLog(event.Config{Keep: 4})
	defer l.Close()
	if p := l.Since(0, 10); len(p.Events) != 0 || p.Last != 0 || p.Events == nil {
		t.Fatalf("empty log: %+v", p)
	}
	for range 10 {
		l.Add(event.Event{Kind: event.KindReload})
	}
	for _, test := range []struct {
		id     uint64
		limit  int
		want   string
		missed uint64
	}{
		{0, 0, "7 8 9 10", 6},
		{0, 2, "7 8", 6},
		{8, 0, "9 10", 0},
		{8, 1, "9", 0},
		{10, 0, "", 0},
		{99, 0, "7 8 9 10", 6}, // an ID of an earlier process
		{5, 0, "7 8 9 10", 1},
	} {
		p := l.Since(test.id, test.limit)
		if ids(p.Events) != test.want || p.Missed != test.missed || p.Last != 10 {
			t.Errorf("Since(%d, %d) = %s missed %d last %d, want %s missed %d", test.id, test.limit, ids(p.Events), p.Missed, p.Last, test.want, test.missed)
		}
	}
	if got := ids(l.Recent(2)); got != "9 10" {
		t.Errorf("Recent(2) = %s", got)
	}
	if got := ids(l.Recent(100)); got != "7 8 9 10" {
		t.Errorf("Recent(100) = %s", got)
	}
}

func TestTimesAreUTC(t *testing.T) {
	l := event.NewLog(event.Config{})
	defer l.Close()
	l.Add(event.Event{At: time.Date(2026, 3, 1, 12, 0, 0, 0, time.FixedZone("X", 3600))})
	if at := l.Recent(1)[0].At; at.Format(time.RFC3339) != "2026-03-01T11:00:00Z" {
		t.Error(at)
	}
}

func TestFollowersGetWhatHappensAndSlowOnesLoseIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := event.NewLog(event.Config{})
		defer l.Close()
		ctx, cancel := context.WithCancel(t.Context())
		slow := l.Subscribe(ctx)
		quick := l.Subscribe(t.Context())
		for i := range 300 {
			l.Add(event.Event{Kind: event.KindHealth})
			if e := <-quick.C; e.ID != uint64(i+1) {
				t.Fatalf("event %d came as number %d", e.ID, i+1)
			}
		}
		if slow.Lost() != 44 || quick.Lost() != 0 {
			t.Errorf("slow lost %d of 300 with room for 256, quick %d", slow.Lost(), quick.Lost())
		}
		counts, lost := l.Counts()
		if lost != 44 || counts[event.KindHealth] != 300 {
			t.Errorf("counted %v, lost %d", counts, lost)
		}
		cancel()
		synctest.Wait()
		n := 0
		for range slow.C {
			n++
		}
		if n != 256 {
			t.Errorf("%d events before the end", n)
		}
	})
}

func TestCloseEndsFollowing(t *testing.T) {
	l := event.NewLog(event.Config{})
	before := l.Subscribe(t.Context())
	l.Close()
	after := l.Subscribe(t.Context())
	for name, f := range map[string]*event.Follow{"before": before, "after": after} {
		if _, open := <-f.C; open {
			t.Errorf("subscribed %s Close: still open", name)
		}
	}
	l.Add(event.Event{}) // must not panic on a closed channel
	if len(l.Recent(5)) != 1 {
		t.Error("a closed log forgets")
	}
	l.Close()
}

func TestEventsAreLogged(t *testing.T) {
	var out bytes.Buffer
	l := event.NewLog(event.Config{Logger: slog.New(slog.NewJSONHandler(&out, nil))})
	l.Add(event.Event{Kind: event.KindBreaker, Service: "catalog", From: "closed", To: "open", Reason: `50% of "20" failed`})
	l.Close()
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("%v in %s", err, out.String())
	}
	for key, want := range map[string]any{"msg": "event", "kind": "breaker", "service": "catalog", "to": "open", "id": 1.0} {
		if line[key] != want {
			t.Errorf("%s is %v, want %v", key, line[key], want)
		}
	}
	if _, ok := line["limit"]; ok {
		t.Error("empty fields are logged")
	}
}

// stalled is a log whose writes do not return until it is released.
type stalled struct{ release chan struct{} }

func (s stalled) Write(p []byte) (int, error) {
	<-s.release
	return len(p), nil
}

func TestAStalledLogHoldsNobodyUp(t *testing.T) {
	out := stalled{make(chan struct{})}
	l := event.NewLog(event.Config{Logger: slog.New(slog.NewJSONHandler(out, nil))})
	for range 1000 {
		l.Add(event.Event{})
	}
	if _, lost := l.Counts(); lost < 1000-256-2 {
		t.Errorf("only %d counted as lost", lost)
	}
	close(out.release)
	l.Close()
}

func TestOngoingTellsBeginningAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := event.NewLog(event.Config{Quiet: 5 * time.Second})
		defer l.Close()
		for range 30 {
			l.Ongoing(event.Event{Kind: event.KindLimit, Limit: "per-user", Key: "a", From: "allowed", To: "limited", Reason: "too many"})
			time.Sleep(100 * time.Millisecond)
		}
		if got := l.Recent(10); len(got) != 1 || got[0].Reason != "too many" {
			t.Fatalf("while it goes on: %+v", got)
		}
		time.Sleep(7 * time.Second)
		got := l.Recent(10)
		if len(got) != 2 {
			t.Fatalf("%+v", got)
		}
		if e := got[1]; e.From != "limited" || e.To != "allowed" || e.Reason != "30 times in 2.9s" || e.Key != "a" || e.Limit != "per-user" {
			t.Errorf("the end is %+v", e)
		}
		l.Ongoing(event.Event{Kind: event.KindLimit, Limit: "per-user", Key: "a"})
		if len(l.Recent(10)) != 3 {
			t.Error("what begins again is not told")
		}
	})
}

func TestOngoingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := event.NewLog(event.Config{})
		defer l.Close()
		for i := range 50_000 {
			l.Ongoing(event.Event{Kind: event.KindLimit, Key: fmt.Sprint(i), From: "allowed", To: "limited"})
		}
		got := l.Recent(4096)
		if len(got) != 101 || got[100].Key != "(others)" || got[100].To != "limited" {
			t.Fatalf("%d events, the last %+v", len(got), got[len(got)-1])
		}
		time.Sleep(15 * time.Second)
		got = l.Recent(4096)
		if len(got) != 202 || got[201].Reason != "49900 times in 0s" || got[201].Key != "(others)" {
			t.Fatalf("%d events, the last %+v", len(got), got[len(got)-1])
		}
	})
}

func TestObserver(t *testing.T) {
	l := event.NewLog(event.Config{})
	defer l.Close()
	o := l.Observer(event.Event{Service: "catalog", Endpoint: "http://a"})
	now := gabion.Now()
	limited := errors.New("limited")
	for range 3 {
		o.Observe(gabion.Event{Kind: gabion.EventCall, At: now})
		o.Observe(gabion.Event{Kind: gabion.EventRefused, Policy: "breaker", At: now})
		o.Observe(gabion.Event{
			Kind: gabion.EventRefused, Policy: "ratelimit", Name: "per-user", Key: "s3cret-key", At: now,
			Err: &gabion.Error{Policy: "ratelimit", Key: "s3cret-key", Reason: limited},
		})
		o.Observe(gabion.Event{Kind: gabion.EventGaveUp, Policy: "retry", Detail: "attempts", At: now})
		o.Observe(gabion.Event{Kind: gabion.EventGaveUp, Policy: "retry", Detail: "budget", At: now})
		o.Observe(gabion.Event{Kind: gabion.EventGaveUp, Policy: "hedge", Detail: "budget", At: now})
		o.Observe(gabion.Event{Kind: gabion.EventFallback, Policy: "fallback", Detail: "static", Err: limited, At: now})
		o.Observe(gabion.Event{Kind: gabion.EventRefused, Policy: "bulkhead", Detail: "full", At: now})
		o.Observe(gabion.Event{Kind: gabion.EventRefused, Policy: "shed", At: now})
		o.Observe(gabion.Event{Kind: gabion.EventHedge, Policy: "hedge", At: now})
	}
	o.Observe(gabion.Event{Kind: gabion.EventState, Policy: "breaker", From: "closed", To: "open", Detail: "60% failed", At: now - time.Minute})
	got := l.Recent(100)
	var lines []string
	for _, e := range got {
		if e.Service != "catalog" || e.Endpoint != "http://a" {
			t.Errorf("%+v is not about the endpoint", e)
		}
		lines = append(lines, fmt.Sprintf("%s %s %s %s>%s", e.Kind, e.Limit, e.Key, e.From, e.To))
		if strings.Contains(fmt.Sprintf("%+v", e), "s3cret") {
			t.Errorf("%+v shows the key", e)
		}
	}
	want := "limit per-user sha256:817b823905cc allowed>limited; retry   available>empty; hedge   available>empty; fallback   normal>static; bulkhead   free>full; shed   normal>shedding; breaker   closed>open"
	if have := strings.Join(lines, "; "); have != want {
		t.Errorf("have %s\nwant %s", have, want)
	}
	if age := time.Since(got[len(got)-1].At); age < time.Minute || age > time.Hour {
		t.Errorf("the event of a minute ago is %v old", age)
	}
}

func TestConcurrentUse(t *testing.T) {
	l := event.NewLog(event.Config{Keep: 16})
	var group sync.WaitGroup
	for g := range 4 {
		group.Go(func() {
			f := l.Subscribe(t.Context())
			for i := range 200 {
				l.Add(event.Event{})
				l.Ongoing(event.Event{Key: fmt.Sprint(g, i%3)})
				l.Since(uint64(i), 5)
				select {
				case <-f.C:
				default:
				}
			}
		})
	}
	group.Wait()
	l.Close()
	if counts, _ := l.Counts(); counts[""] != 4*200+4*3 {
		t.Errorf("%d events", counts[""])
	}
}

func BenchmarkOngoing(b *testing.B) {
	l := event.NewLog(event.Config{})
	defer l.Close()
	o := l.Observer(event.Event{Limit: "per-user"})
	e := gabion.Event{Kind: gabion.EventRefused, Policy: "ratelimit", Key: "somebody", Err: errors.New("limited")}
	b.ReportAllocs()
	for b.Loop() {
		o.Observe(e)
	}
}
