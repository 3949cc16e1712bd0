// Package slidinglog bounds how much is taken in any window of a length of time, however the window is placed.
//
// A [Log] remembers when what was taken, as runs of an instant and an amount. What a rule with a limit up to [Cells]
// counts is exact. Beyond that, what is taken within one of the [Cells] parts of a window is one run, which ends as its
// last taking does. So a log has at most Cells + 1 runs, and
//
//   - no window ever gets more than the limit;
//   - what was taken counts for at most one part, 1/128 of the window, longer than it should. Who always asks gets at least
//     128/129 of the limit in the long run, which is 99.2 %.
//
// Nothing here reads a clock. Instants may come a little late, as those of goroutines that have read the clock and then waited
// for a lock: then all that was taken in the window that ends at the late instant counts, and all that was taken since.
package slidinglog

import "time"

// Cells is into how many parts a window is divided, and how large a limit can be for that not to matter.
const Cells = 128

// Rule is a limit in every window of a length of time.
type Rule struct {
	limit  int64
	window time.Duration
	cell   time.Duration // 1: exact
}

// NewRule is the rule of limit units in every window. Both must be positive.
func NewRule(limit int64, window time.Duration) Rule {
	r := Rule{limit, window, 1}
	if limit > Cells {
		r.cell = (window + Cells - 1) / Cells
	}
	return r
}

// IsZero says whether the rule is none.
func (r Rule) IsZero() bool { return r.limit == 0 }

// Limit is how many units may be taken in a window.
func (r Rule) Limit() int64 { return r.limit }

// Window is how long a window is.
func (r Rule) Window() time.Duration { return r.window }

// Error is how much longer than the window something can count.
func (r Rule) Error() time.Duration { return r.cell - 1 }

// run is units that were taken, the last of them at an instant.
type run struct {
	at    time.Duration
	units int64
}

// Log is what was taken lately. The zero Log is empty.
type Log struct {
	// runs are ordered by their instants. Those before first are over, and kept for a while for instants that come late.
	runs  []run
	first int
	sum   int64 // of the units of the others
}

// maxLate is how late an instant may come for which the limit holds exactly.
const maxLate = 100 * time.Millisecond

// expire moves on to the window that ends now.
func (l *Log) expire(r Rule, now time.Duration) {
	for l.first < len(l.runs) && l.runs[l.first].at+r.window <= now {
		l.sum -= l.runs[l.first].units
		l.first++
	}
	if l.first <= len(l.runs)/2 {
		return
	}
	over, late := 0, min(maxLate, r.window/8)
	for over < l.first && l.runs[over].at+r.window+late <= now {
		over++
	}
	if over > len(l.runs)/2 {
		l.runs, l.first = l.runs[:copy(l.runs, l.runs[over:])], l.first-over
	}
}

// window returns the runs that count now, and their units: more than those from first on when now comes late.
func (l *Log) window(r Rule, now time.Duration) (runs []run, sum int64) {
	l.expire(r, now)
	from, sum := l.first, l.sum
	for from > 0 && l.runs[from-1].at+r.window > now {
		from--
		sum += l.runs[from].units
	}
	return l.runs[from:], sum
}

// Left is how many units can be taken now.
func (l *Log) Left(r Rule, now time.Duration) int64 {
	_, sum := l.window(r, now)
	return max(0, r.limit-sum)
}

// Reset is how long it takes until nothing counts any more.
func (l *Log) Reset(r Rule, now time.Duration) time.Duration {
	runs, _ := l.window(r, now)
	if len(runs) == 0 {
		return 0
	}
	return runs[len(runs)-1].at + r.window - now
}

// Wait is how long to wait until so many units, not more than the limit, can be taken; 0 when they can be now. It is exact.
func (l *Log) Wait(r Rule, now time.Duration, units int64) time.Duration {
	runs, sum := l.window(r, now)
	excess := sum - (r.limit - units)
	if excess <= 0 || units <= 0 {
		return 0
	}
	for _, run := range runs {
		if excess -= run.units; excess <= 0 {
			return run.at + r.window - now
		}
	}
	return r.window // for more than the limit, which does not come
}

// Add takes units. The caller has asked whether they can be taken.
func (l *Log) Add(r Rule, now time.Duration, units int64) {
	if units <= 0 {
		return
	}
	l.expire(r, now)
	l.append(r, run{now, units})
	l.sum += units
}

// append adds a run behind the others, or to the last one when both are in the same part of the window. One that comes late
// counts as if it came with the last.
func (l *Log) append(r Rule, next run) {
	if n := len(l.runs); n > 0 {
		last := &l.runs[n-1]
		next.at = max(next.at, last.at)
		if n > l.first && next.at/r.cell == last.at/r.cell {
			last.at = next.at
			last.units += next.units
			return
		}
	}
	l.runs = append(l.runs, next)
}

// Refund gives units back that were taken at an instant. When that cannot be told from others any more, those are given
// back that were taken first, so that no window gets too much for it.
func (l *Log) Refund(r Rule, at time.Duration, units int64) {
	l.expire(r, at)
	if n := len(l.runs); n > l.first && l.runs[n-1].at == at {
		units -= l.lower(n-1, units)
		if l.runs[n-1].units == 0 {
			l.runs = l.runs[:n-1]
		}
	}
	for ; l.first < len(l.runs) && units > 0; l.first++ {
		units -= l.lower(l.first, units)
		if l.runs[l.first].units > 0 {
			return
		}
	}
}

// lower takes up to so many units out of a run.
func (l *Log) lower(i int, units int64) int64 {
	units = min(max(0, units), l.runs[i].units)
	l.runs[i].units -= units
	l.sum -= units
	return units
}

// Convert brings the log to another rule: what was taken stays taken, as far as the new window reaches and the log does.
func (l *Log) Convert(to Rule, now time.Duration) {
	old := l.runs[l.first:]
	l.runs, l.first = make([]run, 0, min(len(old), Cells+1)), 0
	for _, run := range old {
		l.append(to, run)
	}
	l.expire(to, now)
}
