package gabiontest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gabion-io/gabion"
)

// Pattern says which events are meant. An event matches when it has everything that is set here; the zero Pattern
// matches all.
type Pattern struct {
	Kind gabion.EventKind
	// Policy, Name, Key, From, To and Detail are those of the event.
	Policy, Name, Key string
	From, To, Detail  string
	Attempt           int
	// Err is in the tree of the event's error (errors.Is).
	Err error
	// Outcomes holds the event's Outcome. Only an EventCall has one.
	Outcomes []gabion.Outcome
	// Where is asked when everything else matches.
	Where func(gabion.Event) bool
}

func (p Pattern) matches(e gabion.Event) bool {
	return wanted(p.Kind, e.Kind) &&
		wanted(p.Policy, e.Policy) && wanted(p.Name, e.Name) && wanted(p.Key, e.Key) &&
		wanted(p.From, e.From) && wanted(p.To, e.To) && wanted(p.Detail, e.Detail) &&
		wanted(p.Attempt, e.Attempt) &&
		(p.Err == nil || errors.Is(e.Err, p.Err)) &&
		(p.Outcomes == nil || e.Kind == gabion.EventCall && slices.Contains(p.Outcomes, e.Outcome)) &&
		(p.Where == nil || p.Where(e))
}

func wanted[T comparable](want, got T) bool {
	var unset T
	return want == unset || want == got
}

// String names what is set, such as {kind=state to=open}.
func (p Pattern) String() string {
	var parts []string
	add := func(set bool, name string, value any) {
		if set {
			parts = append(parts, fmt.Sprintf("%s=%v", name, value))
		}
	}
	add(p.Kind != "", "kind", p.Kind)
	add(p.Policy != "", "policy", p.Policy)
	add(p.Name != "", "name", p.Name)
	add(p.Key != "", "key", p.Key)
	add(p.From != "", "from", p.From)
	add(p.To != "", "to", p.To)
	add(p.Detail != "", "detail", p.Detail)
	add(p.Attempt != 0, "attempt", p.Attempt)
	add(p.Err != nil, "err", p.Err)
	add(p.Outcomes != nil, "outcomes", p.Outcomes)
	add(p.Where != nil, "where", "(a function)")
	return "{" + strings.Join(parts, " ") + "}"
}
