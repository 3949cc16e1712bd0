package event

import (
	"cmp"
	"fmt"
	"slices"
	"time"
	"unique"

	"github.com/gabion-io/gabion"
)

// The bounds of what goes on at once, and of the events about it: a caller that comes under thousands of names must
// neither fill the memory nor push the events that matter out of the log.
const (
	maxSpells   = 1024
	tellBurst   = 100 // beginnings that are told at once …
	tellPerSec  = 2   // … and then per second
	overflowKey = "(others)"
)

// spells turns what happens many times into a beginning and an end. It has no clock and no lock of its own.
type spells struct {
	quiet   gabion.Instant
	running map[spellKey]*spell
	hidden  spell // all that are beyond the bounds, together
	tokens  float64
	filled  gabion.Instant
	wall    func() time.Time
}

// spellKey tells what goes on apart. The name is the key as it came, before it is masked.
type spellKey struct {
	scope unique.Handle[scope] // cheap to look up with every refused request
	name  string
}

// scope is what something goes on about.
type scope struct {
	kind                            Kind
	service, endpoint, route, limit string
}

func scopeOf(about *Event, kind Kind) unique.Handle[scope] {
	return unique.Make(scope{kind, about.Service, about.Endpoint, about.Route, about.Limit})
}

type spell struct {
	event       Event
	began, last gabion.Instant
	times       uint64
}

func newSpells(quiet time.Duration) *spells {
	return &spells{quiet: quiet, running: map[spellKey]*spell{}, tokens: tellBurst, wall: time.Now}
}

// note counts one more time, and returns the event to add if that is how it began.
func (s *spells) note(key spellKey, event func() Event, now gabion.Instant) (e Event, began bool) {
	if known := s.running[key]; known != nil {
		known.last = max(known.last, now)
		known.times++
		return Event{}, false
	}
	if len(s.running) < maxSpells && s.may(now) {
		e = event()
		s.running[key] = &spell{event: e, began: now, last: now, times: 1}
		return e, true
	}
	if began = s.hidden.times == 0; began {
		like := event()
		e = Event{Kind: like.Kind, Key: overflowKey, From: like.From, To: like.To}
		s.hidden = spell{event: e, began: now}
		e.Reason = "so many at once that these are not told apart"
	}
	s.hidden.last = now
	s.hidden.times++
	return e, began
}

// may takes from the bucket of beginnings that may be told.
func (s *spells) may(now gabion.Instant) bool {
	passed := max(0, now-s.filled)
	s.tokens = min(tellBurst, s.tokens+tellPerSec*passed.Seconds())
	s.filled = max(s.filled, now)
	if s.tokens < 1 {
		return false
	}
	s.tokens--
	return true
}

// sweep returns the ends of all that has not happened for the quiet time.
func (s *spells) sweep(now gabion.Instant) []Event {
	var over []*spell
	for key, sp := range s.running {
		if now-sp.last >= s.quiet {
			over = append(over, sp)
			delete(s.running, key)
		}
	}
	slices.SortFunc(over, func(a, b *spell) int { return cmp.Compare(a.began, b.began) })
	var ends []Event
	for _, sp := range over {
		ends = append(ends, s.end(sp))
	}
	if s.hidden.times > 0 && now-s.hidden.last >= s.quiet {
		ends = append(ends, s.end(&s.hidden))
		s.hidden = spell{}
	}
	return ends
}

func (s *spells) end(sp *spell) Event {
	e := sp.event
	e.At = s.wall()
	e.From, e.To = e.To, e.From
	took := (sp.last - sp.began).Round(100 * time.Millisecond)
	e.Reason = fmt.Sprintf("%d times in %v", sp.times, took)
	if sp.times == 1 {
		e.Reason = "once"
	}
	return e
}
