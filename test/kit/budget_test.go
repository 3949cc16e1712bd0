package kit

import (
	"math"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/internal/budget"
	"pgregory.net/rapid"
)

// Any sequence of calls, of what is done again, of pauses and of changes of the share leaves as much in the bucket as two
// plain ones have at least and at most.
func TestBudgetLiesBetweenItsModels(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &budgetModel{now: time.Hour, least: budget.Reserve, most: budget.Reserve}
		m.share = drawShare(t)
		m.real = budget.New(m.share)
		t.Repeat(map[string]func(*rapid.T){
			"start": m.start, "start more": m.start, "charge": m.charge, "wait": m.wait, "update": m.update, "": m.check,
		})
	})
}

func drawShare(t *rapid.T) gabion.Share {
	return rapid.SampledFrom([]gabion.Share{.05, .2, .5, 1, gabion.Off}).Draw(t, "share")
}

// budgetModel holds a bucket that keeps nothing above the reserve for longer than a moment, and one in which that decays to a
// third within ten seconds, as exactly as the functions of mathematics can.
type budgetModel struct {
	real        *budget.Budget
	share       gabion.Share
	now         gabion.Instant
	least, most float64
}

func (m *budgetModel) start(t *rapid.T) {
	for range rapid.IntRange(1, 50).Draw(t, "calls") {
		m.real.Start(m.now)
		if m.share != gabion.Off {
			m.least, m.most = min(m.least+float64(m.share), budget.Reserve), m.most+float64(m.share)
		}
	}
}

func (m *budgetModel) charge(t *rapid.T) {
	for range rapid.IntRange(1, 20).Draw(t, "again") {
		granted := m.real.Charge(m.now)
		switch {
		case m.share == gabion.Off && !granted:
			t.Fatal("refused without a bound")
		case m.share == gabion.Off:
		case granted && m.most < 1-1e-5:
			t.Fatalf("granted, but there are at most %v", m.most)
		case !granted && m.least >= 1:
			t.Fatalf("refused, but there are at least %v", m.least)
		case granted:
			m.least, m.most = max(0, m.least-1), max(0, m.most-1)
		}
	}
}

func (m *budgetModel) wait(t *rapid.T) {
	longest := rapid.SampledFrom([]time.Duration{10 * time.Millisecond, time.Second, 30 * time.Second}).Draw(t, "up to")
	passes := time.Duration(rapid.Int64Range(0, int64(longest)).Draw(t, "passes"))
	m.now += passes
	if above := m.most - budget.Reserve; above > 0 {
		m.most = budget.Reserve + above*math.Exp(-passes.Seconds()/10)
	}
}

func (m *budgetModel) update(t *rapid.T) {
	m.share = drawShare(t)
	m.real.Update(m.share)
}

func (m *budgetModel) check(t *rapid.T) {
	left := m.real.Left(m.now)
	if left < m.least-1e-5 || left > m.most+1e-5 {
		t.Fatalf("%v are left, want %v to %v", left, m.least, m.most)
	}
	if again := m.real.Left(m.now); again != left {
		t.Fatalf("%v are left, and then %v", left, again)
	}
}

// What is above the reserve is there for a while: about a third after ten seconds, however often somebody looks.
func TestBudgetRemembersTenSeconds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, now := budget.New(1), time.Hour
		const calls = 1000
		for range calls {
			b.Start(now)
		}
		end, charged := now+10*time.Second, 0.0
		for now < end {
			now = min(end, now+time.Duration(rapid.Int64Range(int64(50*time.Millisecond), int64(time.Second)).Draw(t, "passes")))
			if rapid.Bool().Draw(t, "looks") {
				b.Left(now)
			} else if b.Charge(now) {
				charged++
			}
		}
		if left := b.Left(now) - budget.Reserve; left > calls*math.Exp(-1)+1 || left+charged < calls*0.2 {
			t.Fatalf("%v of %d are left after ten seconds, and %v were used", left, calls, charged)
		}
	})
}
