package overload

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// summary is the worst of several runs, and how many of them missed which goal.
type summary struct {
	runs   int
	worst  Result
	missed struct{ goodput, tail, refused, recovery, marked, any int }
}

func summarize(outcomes []Outcome, take func(*Outcome) bool) summary {
	s := summary{worst: Result{Goodput: math.Inf(1), Marked: math.Inf(1)}}
	count := func(n *int, missed bool) {
		if missed {
			*n++
		}
	}
	for i := range outcomes {
		o := &outcomes[i]
		if !take(o) {
			continue
		}
		s.runs++
		s.worst.Goodput = min(s.worst.Goodput, o.Result.Goodput)
		s.worst.Tail = max(s.worst.Tail, o.Result.Tail)
		s.worst.Refused = max(s.worst.Refused, o.Result.Refused)
		s.worst.Recovery = max(s.worst.Recovery, o.Result.Recovery)
		s.worst.Marked = min(s.worst.Marked, o.Result.Marked)
		count(&s.missed.goodput, o.Missed.Goodput)
		count(&s.missed.tail, o.Missed.Tail)
		count(&s.missed.refused, o.Missed.Refused)
		count(&s.missed.recovery, o.Missed.Recovery)
		count(&s.missed.marked, o.Missed.Marked)
		count(&s.missed.any, o.Missed.Any())
	}
	return s
}

// Table is the worst values of each group as Markdown, and in brackets how many of the runs missed the goal, if any did.
func Table(outcomes []Outcome) string {
	var b strings.Builder
	b.WriteString("| | | runs | goodput % | p99 / deadline | refused at 0.7× % | recovery s | critical, others % |\n|---|---|---|---|---|---|---|---|\n")
	for _, g := range Groups {
		for _, heavy := range []bool{false, true} {
			s := summarize(outcomes, func(o *Outcome) bool { return o.Scenario.Group == g && o.Shape.Heavy == heavy })
			if s.runs == 0 {
				continue
			}
			tails := "light"
			if heavy {
				tails = "heavy"
			}
			marked := "–"
			if g == Priorities || g == Tenant {
				marked = percent(s.worst.Marked) + misses(s.missed.marked, s.runs)
			}
			fmt.Fprintf(&b, "| %s | %s | %d | %s | %s | %s | %s | %s |\n", g, tails, s.runs,
				percent(s.worst.Goodput)+misses(s.missed.goodput, s.runs),
				fmt.Sprintf("%.2f", s.worst.Tail)+misses(s.missed.tail, s.runs),
				fmt.Sprintf("%.1f", 100*s.worst.Refused)+misses(s.missed.refused, s.runs),
				seconds(s.worst.Recovery)+misses(s.missed.recovery, s.runs), marked)
		}
	}
	return b.String()
}

func percent(part float64) string { return fmt.Sprintf("%.1f", 100*part) }

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f", d.Seconds()) }

func misses(n, of int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" **(%d/%d)**", n, of)
}
