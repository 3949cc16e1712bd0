package gabion_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/gabion-io/gabion"
)

// pair is a composite of two guards.
type pair struct{ outer, inner gabion.Policy }

func (p pair) Describe() gabion.Description { return gabion.Description{Kind: "pair"} }
func (p pair) Policies() []gabion.Policy    { return []gabion.Policy{p.inner, p.outer} }

// nothing is a policy that does nothing.
type nothing struct{}

func (nothing) Describe() gabion.Description { return gabion.Description{Kind: "nothing"} }

func names(p *gabion.Pipe) string {
	var all []string
	for _, d := range p.Policies() {
		all = append(all, d.Name)
	}
	return strings.Join(all, " ")
}

func TestNewPutsPoliciesInOrder(t *testing.T) {
	at := func(name string, p gabion.Position) *watcher { return &watcher{name: name, position: p} }
	policies := []gabion.Policy{at("c", 3), pair{at("a", 1), at("e", 5)}, at("d1", 4), at("b", 2), at("d2", 4)}
	if got := names(newPipe(t, gabion.Config{}, policies...)); got != "a b c d1 d2 e" {
		t.Errorf("recommended: %s", got)
	}
	if got := names(newPipe(t, gabion.Config{AsGiven: true}, policies...)); got != "c e a d1 b d2" {
		t.Errorf("as given: %s", got)
	}
	if got := names(newPipe(t, gabion.Config{})); got != "" {
		t.Errorf("empty: %s", got)
	}
}

func TestTrap08PipesOfTheSamePoliciesAreIndependent(t *testing.T) {
	a, b, c := &watcher{name: "a"}, &watcher{name: "b"}, &watcher{name: "c"}
	base := make([]gabion.Policy, 1, 8)
	base[0] = a
	with := func(p gabion.Policy) *gabion.Pipe { return newPipe(t, gabion.Config{}, append(base, p)...) }
	first, second := with(b), with(c)
	base[0] = c
	described := first.Policies()
	described[0].Name = "changed"
	if names(first) != "a b" || names(second) != "a c" {
		t.Errorf("the pipes are %q and %q", names(first), names(second))
	}
}

func TestTrap28NilPoliciesAreFound(t *testing.T) {
	var forgotten *watcher // what a New that failed returned
	for name, policies := range map[string][]gabion.Policy{
		"nil":              {&watcher{}, nil},
		"nil pointer":      {&watcher{}, forgotten},
		"in a composite":   {pair{&watcher{}, nil}},
		"does nothing":     {nothing{}},
		"nothing, pointed": {&nothing{}},
	} {
		pipe, err := gabion.New(gabion.Config{Name: "catalog", Policies: policies})
		field, ok := errors.AsType[*gabion.FieldError](err)
		if pipe != nil || !ok || field.Field != "policies" || !strings.Contains(err.Error(), `pipe "catalog"`) {
			t.Errorf("%s: %v, %v", name, pipe, err)
		}
	}
}

func TestNewRefusesANegativeBound(t *testing.T) {
	_, err := gabion.New(gabion.Config{MaxKeys: -1})
	if field, ok := errors.AsType[*gabion.FieldError](err); !ok || field.Field != "max_keys" {
		t.Errorf("got %v", err)
	}
}
