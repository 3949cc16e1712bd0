package gabiontest

import (
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
)

func TestSurvivesFailsTheTest(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestThatFails$", "-test.v")
	cmd.Env = append(os.Environ(), "GABIONTEST_FAIL=1")
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Errorf("it passed")
	}
	for _, mode := range modes {
		verdict := "FAIL"
		if mode == Error || mode == Reset {
			verdict = "PASS"
		}
		if !strings.Contains(string(out), "--- "+verdict+": TestThatFails/"+string(mode)) {
			t.Errorf("%v: want %s in\n%s", mode, verdict, out)
		}
	}
	// The report of the package's documentation.
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	said := regexp.MustCompile(`(?s)does not survive hang:.*?of the dependency: \d+\n`).FindString(string(out))
	for line := range strings.Lines(said) {
		line = strings.TrimSpace(line)
		if strings.Contains(line, ".go:") || strings.Contains(line, "gabiontest") {
			continue // where the code is, which is another there
		}
		if !strings.Contains(string(doc), line) {
			t.Errorf("doc.go does not show %q", line)
		}
	}
	if said == "" {
		t.Errorf("there is no report in\n%s", out)
	}
}

// The code in the package's documentation is that of the tests in example_test.go.
func TestDocShowsTheExample(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	tests := regexp.MustCompile(`(?m)^//\tfunc Test(?:.*\n//)*?\t}$`).FindAllString(string(doc), -1)
	for _, shown := range tests {
		code := strings.ReplaceAll(strings.ReplaceAll(shown, "//\t", ""), "\n//\n", "\n\n")
		if !strings.Contains(string(example), code) {
			t.Errorf("example_test.go does not have\n%s", code)
		}
	}
	if len(tests) != strings.Count(string(example), "\nfunc Test") {
		t.Errorf("%d tests are shown, not all of example_test.go", len(tests))
	}
}

func TestLongReportsAreCut(t *testing.T) {
	r := result{mode: Hang, breaks: []Break{{Mode: Hang, Happened: "this\nand that"}}, events: NewRecorder(t)}
	if got := r.report(); strings.Contains(got, "events") || !strings.Contains(got, "happened: this\n            and that\n") {
		t.Errorf("got\n%s", got)
	}
	for range 100 {
		r.events.Observe(gabion.Event{Kind: gabion.EventState, Policy: "breaker"})
	}
	if got := r.report(); strings.Count(got, "breaker: state") != shownEvents || !strings.Contains(got, "… 60 more …\n") {
		t.Errorf("got\n%s", got)
	}
}

// failing is a test that fails without failing the test.
type failing struct {
	testing.TB
	said string
}

func (f *failing) Helper()                           {}
func (f *failing) Errorf(format string, args ...any) { f.said = fmt.Sprintf(format, args...) }

func TestImpossibleCases(t *testing.T) {
	nan := math.NaN()
	tests := []struct {
		c    Case
		want string
	}{
		{Case{Rules: []Rule{{Mode: Hang}, {}}}, "Rules has no Mode at index 1"},
		{Case{Rules: []Rule{{Mode: "hung"}}}, `rules at index 0: Mode is "hung"`},
		{Case{Rules: []Rule{{Mode: Latency}}, Deadline: -time.Second}, "Deadline is -1s, must be positive"},
		{Case{Calls: -1}, "Calls is -1, must be positive"},
		{Case{Amplification: -1}, "Amplification is -1, must be positive or off"},
		{Case{Amplification: nan}, "Amplification is NaN"},
		{Case{Recovery: -1}, "Recovery is -1ns, must be positive or off"},
	}
	for _, test := range tests {
		fake := &failing{}
		if _, ok := test.c.checked(fake); ok || !strings.Contains(fake.said, test.want) {
			t.Errorf("%+v: said %q, want %q", test.c, fake.said, test.want)
		}
	}
}
