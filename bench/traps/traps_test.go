package traps

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion/bench/internal/section"
)

var write = flag.String("write", "", "the document whose table is written; empty: none")

// The contenders, in the order of the table's columns.
const (
	ours      = "Gabion"
	gobreaker = "gobreaker"
	failsafe  = "failsafe-go"
	cep21     = "cep21/circuit"
	eapache   = "eapache"
	hystrix   = "hystrix-go"
	sentinel  = "sentinel"
	zero      = "go-zero"
	aegis     = "aegis"
	xtime     = "x/time/rate"
	throttled = "throttled"
	sethvargo = "sethvargo"
)

var contenders = []string{
	ours, gobreaker, failsafe, cep21, eapache, hystrix, sentinel, zero, aegis, xtime, throttled, sethvargo,
}

// finding is what a contender did.
type finding struct {
	held bool
	text string
}

// held is what did not fall into the trap; text says more about it, and may be empty.
func held(text string, args ...any) finding { return finding{true, fmt.Sprintf(text, args...)} }

// fell is what did.
func fell(text string, args ...any) finding { return finding{false, fmt.Sprintf(text, args...)} }

func (f finding) String() string {
	switch {
	case !f.held:
		return "**" + f.text + "**"
	case f.text == "":
		return "held"
	}
	return "held: " + f.text
}

// findings are those of one scenario, by contender. Who is missing has nothing that could fall into the trap.
type findings map[string]finding

// trap is a scenario.
type trap struct {
	number   int
	name     string
	scenario string
	run      func(t *testing.T) findings
}

// TestTraps runs every scenario on every contender.
func TestTraps(t *testing.T) {
	var rows strings.Builder
	for _, trap := range all() {
		var found findings
		began := time.Now()
		t.Run(fmt.Sprintf("%02d %s", trap.number, trap.name), func(t *testing.T) { found = trap.run(t) })
		if own, ok := found[ours]; !ok || !own.held {
			t.Errorf("trap %d, %s: Gabion: %v", trap.number, trap.name, own)
		}
		t.Logf("%d: %v in %v", trap.number, found, time.Since(began).Round(time.Millisecond))
		rows.WriteString(trap.row(found))
	}
	if *write == "" {
		return
	}
	text := "\n" + section.Measured() + "\n\n" + head() + rows.String() + "\n" + list(t) + "\n"
	if err := section.Write(*write, "bench-traps", text); err != nil {
		t.Error(err)
	}
}

// all are the scenarios, in the order of their numbers.
func all() []trap {
	every := slices.Concat(breakerTraps, callTraps, retryTraps, rateTraps, limitTraps, httpTraps)
	if *write != "" {
		every = append(every, clockTraps...)
	}
	slices.SortFunc(every, func(a, b trap) int { return a.number - b.number })
	return every
}

func head() string {
	return "| # | trap | scenario | " + strings.Join(contenders, " | ") + " |\n" + strings.Repeat("|---", len(contenders)+3) + "|\n"
}

func (tr trap) row(found findings) string {
	cells := []string{fmt.Sprint(tr.number), tr.name, tr.scenario}
	for _, name := range contenders {
		if f, ok := found[name]; ok {
			cells = append(cells, f.String())
		} else {
			cells = append(cells, "–")
		}
	}
	return "| " + strings.Join(cells, " | ") + " |\n"
}

// bubble runs f where time is virtual.
func bubble(t *testing.T, f func(t *testing.T) finding) (found finding) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		found = f(t)
		time.Sleep(time.Minute) // for the timers that libraries leave behind
	})
	return found
}

// pass lets time pass: none of it in a bubble, milliseconds outside.
func pass(d time.Duration) { time.Sleep(d) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestMain(m *testing.M) {
	if name := os.Getenv(childEnv); name != "" {
		children[name](context.Background())
		os.Exit(0)
	}
	quiet()
	os.Exit(m.Run())
}
