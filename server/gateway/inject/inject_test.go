package inject

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/fault"
	"github.com/gabion-io/gabion/server/event"
)

// told takes events.
type told struct {
	mu  sync.Mutex
	all []string
}

func (s *told) Add(e event.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, fmt.Sprintf("%s %s %s>%s %s: %s", e.Kind, e.Service, e.From, e.To, e.Key, e.Reason))
}

func place(t *testing.T) *fault.Fault {
	t.Helper()
	f, err := fault.New(fault.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func meet(t *testing.T, p *fault.Fault) bool {
	t.Helper()
	plan := p.Before(t.Context(), gabion.Attempt{Number: 1, Now: gabion.Now()})
	return plan.Instead != nil || plan.Delay > 0
}

func TestFaultIsALease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events, p := &told{}, place(t)
		all := New(events)
		one, err := all.Inject(p, Rule{Service: "catalog", Kind: "error", For: Duration(time.Minute), Key: "somebody"})
		if err != nil {
			t.Fatal(err)
		}
		two, err := all.Inject(p, Rule{Service: "catalog", Kind: "latency", Latency: Duration(time.Second), Share: 0.5})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := all.Inject(p, Rule{Service: "catalog", Kind: "blackhole", For: Duration(2 * time.Minute)}); err != nil {
			t.Fatal(err)
		}
		if one.ID != "1" || two.Share != 0.5 || !two.Until.Equal(time.Now().Add(time.Minute)) {
			t.Errorf("%+v %+v", one, two)
		}
		if !all.Lift(two.ID) || all.Lift(two.ID) {
			t.Error("a fault is lifted once")
		}
		if left := all.List("catalog"); !meet(t, p) || len(left) != 2 || all.List("")[1].Met != 1 || left[0].ID != "1" || len(all.List("other")) != 0 {
			t.Errorf("left %+v", left)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if left := all.List(""); len(left) != 1 || left[0].Kind != "blackhole" {
			t.Errorf("after a minute: %+v", left)
		}
		all.Keep(func(service, kind string) bool { return service == "catalog" && kind == "blackhole" })
		if len(all.List("")) != 1 {
			t.Error("what is allowed is not kept")
		}
		all.Close()
		if p.Armed() && meet(t, p) {
			t.Error("a fault is left")
		}
		if _, err := all.Inject(p, Rule{Kind: "error"}); err == nil {
			t.Error("a fault after the end")
		}
		want := []string{
			"fault catalog none>error sha256:", "fault catalog none>latency : fault 2: 50% of the requests, for 1m0s", "fault catalog none>blackhole : fault 3: 100% of the requests, for 2m0s",
			"fault catalog latency>none : fault 2: it was lifted; 0 requests", "fault catalog error>none sha256:", "fault catalog blackhole>none : fault 3: drills.targets",
		}
		for i, line := range events.all {
			if i >= len(want) || !strings.HasPrefix(line, want[i]) || strings.Contains(line, "somebody") {
				t.Errorf("event %d: %s", i, line)
			}
		}
		if len(events.all) != len(want) {
			t.Errorf("%d events, want %d", len(events.all), len(want))
		}
	})
}

func TestFaultsAreBounded(t *testing.T) {
	all, p := New(&told{}), place(t)
	defer all.Close()
	for range maxLeases {
		if _, err := all.Inject(p, Rule{Kind: "reset"}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := all.Inject(p, Rule{Kind: "reset"}); !errors.Is(err, ErrTooMany) {
		t.Errorf("one more: %v", err)
	}
}

func TestImpossibleRules(t *testing.T) {
	all, p := New(&told{}), place(t)
	defer all.Close()
	for text, want := range map[string]string{
		`{"kind":"fire"}`:    "kind is \"fire\"",
		`{"kind":"hang"}`:    "must be latency, error, blackhole or reset",
		`{"kind":"latency"}`: "latency is 0s",
		`{"kind":"latency","latency":"1s","status":500}`: "status goes with the kind error",
		`{"kind":"error","status":200}`:                  "must be from 400 to 599",
		`{"kind":"error","latency":"1s"}`:                "latency goes with the kind latency",
		`{"kind":"error","share":"120%"}`:                "share is 120%",
		`{"kind":"error","first":-1}`:                    "first is -1",
		`{"kind":"error","for":"2h"}`:                    "for is 2h0m0s",
		`{"kind":"error","for":"soon"}`:                  "no time such as",
		`{"kind":"error","share":0.5}`:                   "cannot unmarshal number",
	} {
		var r Rule
		err := json.Unmarshal([]byte(text), &r)
		if err == nil {
			_, err = all.Inject(p, r)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	if p.Armed() {
		t.Error("an impossible rule is in force")
	}
}

// TestRuleIsReadAsWritten: what the API shows can be sent to it.
func TestRuleIsReadAsWritten(t *testing.T) {
	r := Rule{Service: "a", Kind: "latency", Latency: Duration(time.Second), Jitter: Duration(time.Millisecond), Share: 0.25, First: 3, Key: "k", For: Duration(time.Minute)}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back Rule
	if err := json.Unmarshal(text, &back); err != nil || back != r {
		t.Errorf("%s is read as %+v, %v", text, back, err)
	}
}
