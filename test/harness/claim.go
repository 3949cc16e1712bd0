package harness

import (
	"context"
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
		holds(t, watch, scenario, protected)
	})
	deny(t, scenario, twins)
}

// ProveAlone is [Prove] for a scenario that measures how long things take: nothing else runs beside it, if the test is not
// parallel itself.
func ProveAlone[C any](t *testing.T, scenario func(*testing.T, C, *Findings), protected C, twins ...Twin[C]) {
	t.Helper()
	t.Run("protected", func(t *testing.T) { holds(t, watch, scenario, protected) })
	deny(t, scenario, twins)
}

// holds runs a scenario, whose claims must all hold.
func holds[C any](t *testing.T, watch watcher, scenario func(*testing.T, C, *Findings), protected C) {
	t.Helper()
	judge(t, watch, func(t *testing.T, f *Findings) (wrong []string) {
		t.Helper()
		scenario(t, protected, f)
		for _, claim := range f.broken() {
			wrong = append(wrong, "does not hold: "+claim)
		}
		return wrong
	})
}

// breaks runs a negative twin, which must break the claims that it names.
func breaks[C any](t *testing.T, watch watcher, scenario func(*testing.T, C, *Findings), twin Twin[C]) {
	t.Helper()
	judge(t, watch, func(t *testing.T, f *Findings) (wrong []string) {
		t.Helper()
		scenario(t, twin.Config, f)
		for _, claim := range twin.missing(f) {
			wrong = append(wrong, fmt.Sprintf("holds without %s, so the scenario does not show what protects: %s", twin.Name, claim))
		}
		return wrong
	})
}

// deny runs a scenario's negative twins, side by side.
func deny[C any](t *testing.T, scenario func(*testing.T, C, *Findings), twins []Twin[C]) {
	t.Helper()
	for _, twin := range twins {
		t.Run("without "+twin.Name, func(t *testing.T) {
			t.Parallel()
			breaks(t, watch, scenario, twin)
		})
	}
}

// watcher is how a scenario finds out what the machine did to it.
type watcher func(context.Context) (end func() disturbance)

// judge runs something that tells what is wrong with what it has found: once more where something is, and the machine may be the
// cause.
func judge(t *testing.T, watch watcher, run func(*testing.T, *Findings) (wrong []string)) {
	t.Helper()
	again := true
	for try := 1; again; try++ {
		again = false // unless the try comes to its end and says otherwise
		t.Run(fmt.Sprint("try ", try), func(t *testing.T) {
			var f Findings
			end := watch(t.Context())
			wrong := run(t, &f)
			meanwhile := end()
			t.Logf("\n%s%v", f.String(), meanwhile)
			if len(f.all) == 0 {
				t.Error("the scenario has looked at nothing")
			}
			if again = len(wrong) > 0 && meanwhile.excuses(try); again {
				t.Logf("once more, because of the machine: %s", strings.Join(wrong, "; "))
				return
			}
			for _, what := range wrong {
				t.Error(what)
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
