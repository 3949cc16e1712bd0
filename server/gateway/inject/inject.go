// Package inject makes services fail on purpose: in a drill, or to see what happens. A fault is a lease that ends by
// itself, and only what drills.targets of the configuration lists can be made to fail.
package inject

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/fault"
	"github.com/gabion-io/gabion/server/event"
	"github.com/gabion-io/gabion/server/mask"
	"github.com/gabion-io/gabion/server/status"
)

// maxLeases bounds how many faults are in force at once.
const maxLeases = 100

// ErrNoTarget says that a service may not be made to fail like this.
var ErrNoTarget = errors.New("not listed in drills.targets")

// ErrTooMany says that there are as many faults as there can be.
var ErrTooMany = errors.New("there are 100 faults already; lift one")

// Faults are the faults in force. Make them with [New] and end them with [Faults.Close].
type Faults struct {
	events event.Sink

	mu     sync.Mutex
	last   int
	leases map[string]*lease
	closed bool
}

type lease struct {
	about     status.Fault
	key       string
	injection *fault.Injection
	timer     *time.Timer
}

// New makes an empty set. Events are told of every fault that begins or ends.
func New(events event.Sink) *Faults { return &Faults{events: events, leases: map[string]*lease{}} }

// Inject brings a fault into force at the place of its service. Its error says what is impossible in the rule.
func (f *Faults) Inject(place *fault.Fault, r Rule) (status.Fault, error) {
	rule, err := r.fault()
	if err != nil {
		return status.Fault{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || len(f.leases) >= maxLeases {
		return status.Fault{}, ErrTooMany
	}
	injection, err := place.Inject(rule)
	if err != nil {
		return status.Fault{}, err
	}
	f.last++
	length := injection.Until() - gabion.Now()
	l := &lease{injection: injection, key: r.Key, about: status.Fault{
		ID: strconv.Itoa(f.last), Service: r.Service, Kind: r.Kind, Share: float64(cmp.Or(rule.Share, 1)),
		Until: time.Now().Add(length).UTC(),
	}}
	f.leases[l.about.ID] = l
	l.timer = time.AfterFunc(length, func() { f.end(l.about.ID, "its time is over") })
	f.events.Add(event.Event{
		Kind: event.KindFault, Service: r.Service, Key: mask.Key(r.Key), From: "none", To: r.Kind,
		Reason: fmt.Sprintf("fault %s: %v of the requests, for %v", l.about.ID, gabion.Share(l.about.Share), length.Round(time.Millisecond)),
	})
	return l.about, nil
}

// List are the faults in force, the oldest first. With a service, only those that it meets.
func (f *Faults) List(service string) []status.Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := []status.Fault{}
	for _, l := range f.leases {
		if service == "" || service == l.about.Service {
			about := l.about
			about.Met = uint64(max(0, l.injection.Met()))
			all = append(all, about)
		}
	}
	slices.SortFunc(all, func(a, b status.Fault) int { return cmp.Or(cmp.Compare(len(a.ID), len(b.ID)), cmp.Compare(a.ID, b.ID)) })
	return all
}

// Lift ends a fault. It returns false when there is none with that ID.
func (f *Faults) Lift(id string) bool { return f.end(id, "it was lifted") }

// Keep ends the faults that are not allowed any more.
func (f *Faults) Keep(allowed func(service, kind string) bool) {
	for _, one := range f.List("") {
		if !allowed(one.Service, one.Kind) {
			f.end(one.ID, "drills.targets does not list it any more")
		}
	}
}

// Close ends all faults.
func (f *Faults) Close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.Keep(func(string, string) bool { return false })
}

func (f *Faults) end(id, why string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.leases[id]
	if l == nil {
		return false
	}
	delete(f.leases, id)
	l.timer.Stop()
	l.injection.Stop()
	f.events.Add(event.Event{
		Kind: event.KindFault, Service: l.about.Service, Key: mask.Key(l.key), From: l.about.Kind, To: "none",
		Reason: fmt.Sprintf("fault %s: %s; %d requests have met it", id, why, l.injection.Met()),
	})
	return true
}
