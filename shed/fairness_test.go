package shed

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion"
)

// At ten times the load, critical calls alone would fit. They are served, and nearly nothing else is; without priorities they
// share the fate of all others. (The deadline is too near for the goal of 99 %: which goroutine goes first costs a point now and then.)
func TestCriticalCallsAreServed(t *testing.T) {
	for name, critical := range map[string]gabion.Priority{"critical": gabion.Critical, "without priorities": gabion.Normal} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := mustNew(t, Config{Deadline: deadline})
				l := newLoad(t, s, 10)
				rest := caller{name: "normal ", share: 0.4}
				crawler := caller{name: "sheddable ", share: 0.52, priority: min(critical, gabion.Sheddable)}
				if critical == gabion.Normal {
					crawler.priority = gabion.Normal
				}
				vital := caller{name: "critical ", share: 0.08, priority: critical}
				l.run("before", 3*time.Second, 0.7, rest, crawler, vital)
				l.run("overload", 4*time.Second, 10, rest, crawler, vital)
				a, others, crawled := l.report("critical overload"), l.report("normal overload"), l.report("sheddable overload")
				if served := a.share(a.good) >= 0.98; served != (critical == gabion.Critical) {
					t.Errorf("%.1f%% of the critical calls were served", 100*a.share(a.good))
				}
				if total := float64(a.good + others.good + crawled.good); total < 0.9*l.capacity(4*time.Second) {
					t.Errorf("only %v answers", total)
				}
				now := s.Snapshot()
				if critical == gabion.Critical && (crawled.good > others.good/2 || now.Sheddable.Sum() == 0 || now.Normal.Sum() == 0) {
					t.Errorf("more sheddable than normal calls were served: %+v", now)
				}
				if now.Refused != uint64(a.refused+others.refused+crawled.refused) {
					t.Errorf("counts %d refusals", now.Refused)
				}
			})
		})
	}
}

// One tenant sends ten times what the service can do. Four others, who together need half of it, do not notice; where tenants
// are not told apart, they do.
func TestOtherTenantsDoNotNotice(t *testing.T) {
	for name, apart := range map[string]bool{"told apart": true, "all the same": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLoad(t, mustNew(t, Config{Deadline: deadline}), 10)
				callers := []caller{{name: "flood ", share: 10 / 10.5, tenant: "flood"}}
				for _, tenant := range []string{"a", "b", "c", "d"} {
					callers = append(callers, caller{name: "other ", share: 0.125 / 10.5, tenant: tenant})
				}
				if !apart {
					for i := range callers {
						callers[i].tenant = ""
					}
				}
				l.run("before", 3*time.Second, 0.5, callers[1:]...)
				l.run("overload", 4*time.Second, 10.5, callers...)
				flood, other := l.report("flood overload"), l.report("other overload")
				if unnoticed := other.share(other.good) >= 0.99; unnoticed != apart {
					t.Errorf("%.1f%% of the others' calls were served", 100*other.share(other.good))
				}
				if total := float64(flood.good + other.good); total < 0.9*l.capacity(4*time.Second) {
					t.Errorf("only %v answers", total)
				}
			})
		})
	}
}
