package harness

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Findings are what a scenario found out about the claims it looked at.
type Findings struct{ all []finding }

type finding struct {
	claim, evidence string
	holds           bool
}

// Claim notes whether a claim holds, with the evidence.
func (f *Findings) Claim(claim string, holds bool, evidence string, args ...any) {
	f.all = append(f.all, finding{claim, fmt.Sprintf(evidence, args...), holds})
}

// String lists the findings, one a line.
func (f *Findings) String() string {
	var b strings.Builder
	for _, x := range f.all {
		verdict := "holds"
		if !x.holds {
			verdict = "FAILS"
		}
		fmt.Fprintf(&b, "%s  %s: %s\n", verdict, x.claim, x.evidence)
	}
	return b.String()
}

// broken are the claims that do not hold.
func (f *Findings) broken() (claims []string) {
	for _, x := range f.all {
		if !x.holds {
			claims = append(claims, x.claim)
		}
	}
	return claims
}

// Twin is a scenario's negative twin: the same scenario with a protection taken away must break the claims named.
// Otherwise the scenario would prove nothing about the protection.
type Twin[C any] struct {
	// Name says what is taken away.
	Name string
	// Config is the scenario's configuration without it.
	Config C
	// Breaks are the claims that must not hold.
	Breaks []string
}

// Prove runs a scenario, whose claims must all hold, and its negative twins, all of them side by side.
func Prove[C any](t *testing.T, scenario func(*testing.T, C, *Findings), protected C, twins ...Twin[C]) {
	t.Helper()
	t.Run("protected", func(t *testing.T) {
		t.Parallel()
		holds(t, scenario, protected)
	})
	deny(t, scenario, twins)
}

// ProveAlone is [Prove] for a scenario that measures how long things take: nothing else runs beside it, if the test is not
// parallel itself.
func ProveAlone[C any](t *testing.T, scenario func(*testing.T, C, *Findings), protected C, twins ...Twin[C]) {
	t.Helper()
	t.Run("protected", func(t *testing.T) { holds(t, scenario, protected) })
	deny(t, scenario, twins)
}

// holds runs a scenario, whose claims must all hold.
func holds[C any](t *testing.T, scenario func(*testing.T, C, *Findings), protected C) {
	t.Helper()
	var f Findings
	scenario(t, protected, &f)
	t.Logf("\n%s", f.String())
	if len(f.all) == 0 {
		t.Error("the scenario has looked at nothing")
	}
	for _, claim := range f.broken() {
		t.Errorf("does not hold: %s", claim)
	}
}

// deny runs a scenario's negative twins.
func deny[C any](t *testing.T, scenario func(*testing.T, C, *Findings), twins []Twin[C]) {
	t.Helper()
	for _, twin := range twins {
		t.Run("without "+twin.Name, func(t *testing.T) {
			t.Parallel()
			var f Findings
			scenario(t, twin.Config, &f)
			t.Logf("\n%s", f.String())
			for _, claim := range twin.missing(&f) {
				t.Errorf("holds without %s, so the scenario does not show what protects: %s", twin.Name, claim)
			}
		})
	}
}

// missing are the claims that should be broken and are not.
func (w Twin[C]) missing(f *Findings) (claims []string) {
	broken := f.broken()
	for _, claim := range w.Breaks {
		if !slices.Contains(broken, claim) {
			claims = append(claims, claim)
		}
	}
	return claims
}
