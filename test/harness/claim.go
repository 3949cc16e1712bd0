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
		judge(t, &host, scenario, protected, unkept)
	})
	deny(t, scenario, twins)
}

// ProveAlone is [Prove] for a scenario that measures how long things take: nothing else runs beside it, if the test is not
// parallel itself.
func ProveAlone[C any](t *testing.T, scenario func(*testing.T, C, *Findings), protected C, twins ...Twin[C]) {
	t.Helper()
	t.Run("protected", func(t *testing.T) { judge(t, &host, scenario, protected, unkept) })
	deny(t, scenario, twins)
}

// unkept says what is wrong with a scenario whose claims must all hold.
func unkept(f *Findings) (wrong []string) {
	for _, claim := range f.broken() {
		wrong = append(wrong, "does not hold: "+claim)
	}
	return wrong
}

// deny runs a scenario's negative twins, side by side.
func deny[C any](t *testing.T, scenario func(*testing.T, C, *Findings), twins []Twin[C]) {
	t.Helper()
	for _, twin := range twins {
		t.Run("without "+twin.Name, func(t *testing.T) {
			t.Parallel()
			judge(t, &host, scenario, twin.Config, twin.unbroken)
		})
	}
}

// unbroken says what is wrong with a twin: the claims that it should break and does not.
func (w Twin[C]) unbroken(f *Findings) (wrong []string) {
	broken := f.broken()
	for _, claim := range w.Breaks {
		if !slices.Contains(broken, claim) {
			wrong = append(wrong, fmt.Sprintf("holds without %s, so the scenario does not show what protects: %s", w.Name, claim))
		}
	}
	return wrong
}

// judge runs a scenario, and once more where something is wrong with what it has found and the machine may be the cause.
func judge[C any](t *testing.T, on *machine, scenario func(*testing.T, C, *Findings), config C, wrong func(*Findings) []string) {
	t.Helper()
	again := true
	for try := 1; again; try++ {
		again = false // unless the try comes to its end and says otherwise
		leave := on.enter(t, try)
		t.Run(fmt.Sprint("try ", try), func(t *testing.T) {
			var f Findings
			end := on.watch(t.Context())
			scenario(t, config, &f)
			meanwhile := end()
			t.Logf("\n%s%v", f.String(), meanwhile)
			if len(f.all) == 0 {
				t.Error("the scenario has looked at nothing")
			}
			wrong := wrong(&f)
			if again = len(wrong) > 0 && meanwhile.disturbs() && try < tries; again {
				t.Logf("once more, because of the machine: %s", strings.Join(wrong, "; "))
				return
			}
			for _, what := range wrong {
				t.Error(what)
			}
		})
		leave()
	}
}
