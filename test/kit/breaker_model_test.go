package kit

import (
	"slices"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/breaker"
)

// breakerModel is what the documentation of package breaker says, on plain lists of calls. Where the documentation leaves it
// open (the ±10 % of the open time, the eighth of the age of calls that hang), the test tells it what was chosen.
type breakerModel struct {
	cfg                         breaker.Config // all fields set
	state                       breaker.State
	period                      int // a number for each time that the state has changed
	calls                       []breakerCall
	flying                      []*breakerFlight
	streak, again, passed, slow int
	until                       gabion.Instant
	opened                      uint64
}

// breakerCall is one that ended and counts; breakerFlight one that was admitted and has not ended.
type breakerCall struct {
	at           gabion.Instant
	failed, slow bool
}
type breakerFlight struct {
	period int
	began  gabion.Instant
	lost   bool // a probe whose place was given to another
}

func (m *breakerModel) become(s breaker.State) {
	m.state, m.period, m.streak, m.passed, m.slow = s, m.period+1, 0, 0, 0
	switch s {
	case breaker.Open:
		m.opened, m.again = m.opened+1, m.again+1
	case breaker.Closed:
		m.calls, m.again = nil, 0
	}
}

// openTime is how long it is open, without the spread.
func (m *breakerModel) openTime() time.Duration {
	return min(m.cfg.OpenFor<<(m.again-1), m.cfg.OpenMax)
}

// admits says whether a call is admitted now. It does not look at calls that hang.
func (m *breakerModel) admits(now gabion.Instant) bool {
	if m.state == breaker.Open && now >= m.until {
		m.become(breaker.HalfOpen)
	}
	running := 0
	for _, f := range m.flying {
		if m.state == breaker.HalfOpen && f.period == m.period && !f.lost {
			if f.lost = now >= f.began+m.cfg.ProbeLease; !f.lost {
				running++
			}
		}
	}
	return m.state == breaker.Closed || m.state == breaker.HalfOpen && running < m.cfg.Probes
}

// hang is how many calls of this period have been running for longer than d.
func (m *breakerModel) hang(now, d gabion.Instant) (n int) {
	for _, f := range m.flying {
		if m.state == breaker.Closed && f.period == m.period && now-f.began >= d {
			n++
		}
	}
	return n
}

func (m *breakerModel) end(f *breakerFlight, now gabion.Instant, o gabion.Outcome) {
	m.flying = slices.DeleteFunc(m.flying, func(other *breakerFlight) bool { return other == f })
	failed, slow := o == gabion.Failure, m.cfg.SlowCall > 0 && now-f.began >= m.cfg.SlowCall
	if f.period != m.period || f.lost || o == gabion.Ignored {
		return
	}
	if m.state == breaker.HalfOpen {
		m.probed(failed, slow)
		return
	}
	m.calls = append(m.calls, breakerCall{now, failed, slow})
	if m.streak++; !failed {
		m.streak = 0
	}
	n, failures, slows := m.counts(now)
	rates := n >= m.cfg.MinCalls && (reaches(failures, n, m.cfg.FailureRate) || reaches(slows, n, m.cfg.SlowRate))
	if (failed || slow) && (rates || m.cfg.Consecutive > 0 && m.streak >= m.cfg.Consecutive) {
		m.become(breaker.Open)
	}
}

func (m *breakerModel) probed(failed, slow bool) {
	if m.passed++; slow {
		m.slow++
	}
	switch {
	case failed:
		m.become(breaker.Open)
	case m.passed < m.cfg.Probes:
	case reaches(m.slow, m.passed, m.cfg.SlowRate):
		m.become(breaker.Open)
	default:
		m.become(breaker.Closed)
	}
}

// counts are the calls of the last twenty steps of the window, each a twentieth of it, or the last calls.
func (m *breakerModel) counts(now gabion.Instant) (n, failures, slow int) {
	step := m.cfg.Window / 20
	for i, c := range m.calls {
		if m.cfg.LastCalls > 0 && i < len(m.calls)-m.cfg.LastCalls || m.cfg.LastCalls == 0 && now/step-c.at/step >= 20 {
			continue
		}
		if n++; c.failed {
			failures++
		}
		if c.slow {
			slow++
		}
	}
	return n, failures, slow
}

// reaches computes with whole percents.
func reaches(part, whole int, limit gabion.Share) bool {
	percent := int(limit*100 + .5)
	return limit > 0 && part > 0 && 100*part >= percent*whole
}
