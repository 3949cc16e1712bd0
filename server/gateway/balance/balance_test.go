package balance

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
)

const start gabion.Instant = time.Hour

// crew is a set and its members, with a fixed seed.
type crew struct {
	*Set
	members []*Member
}

func newCrew(kind string, weights ...int) crew {
	source := rand.New(rand.NewPCG(1, 2))
	var lock sync.Mutex
	random := func() uint64 {
		lock.Lock()
		defer lock.Unlock()
		return source.Uint64()
	}
	var members []*Member
	for i := range weights {
		members = append(members, NewMember(fmt.Sprint("endpoint ", i)))
	}
	return crew{New(kind, members, weights, 10*time.Second, random), members}
}

// shares picks n times, with nothing left in flight, and returns each member's part.
func (c crew) shares(now gabion.Instant, n int, skip ...*Member) []float64 {
	got := make([]float64, len(c.members))
	for i := range n {
		got[c.Pick(now, mix(uint64(i)), skip)] += 1 / float64(n)
	}
	return got
}

func near(t *testing.T, what string, got, want []float64, within float64) {
	t.Helper()
	for i := range want {
		if math.Abs(got[i]-want[i]) > within {
			t.Errorf("%s: the shares are %.3f, want %.3f", what, got, want)
			return
		}
	}
}

var kinds = []string{LeastLoad, RoundRobin, Hash}

func TestIdleMembersAreSharedByWeight(t *testing.T) {
	for _, kind := range kinds {
		near(t, kind, newCrew(kind, 1, 2, 5).shares(start, 40_000), []float64{0.125, 0.25, 0.625}, 0.01)
		near(t, kind+" of two", newCrew(kind, 1, 3).shares(start, 40_000), []float64{0.25, 0.75}, 0.01)
		near(t, kind+" of many", newCrew(kind, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1).shares(start, 40_000), []float64{1. / 12, 1. / 12, 1. / 12}, 0.01)
	}
}

func TestSlowStartGrowsFromATenth(t *testing.T) {
	for _, kind := range kinds {
		c := newCrew(kind, 1, 1)
		c.members[1].Return(start)
		for _, step := range []struct {
			after time.Duration
			share float64
		}{{0, 0.1 / 1.1}, {5 * time.Second, 0.55 / 1.55}, {10 * time.Second, 0.5}, {time.Hour, 0.5}} {
			near(t, fmt.Sprint(kind, " after ", step.after), c.shares(start+step.after, 20_000), []float64{1 - step.share, step.share}, 0.015)
		}
	}
}

func TestSkippedMembersAreNotChosen(t *testing.T) {
	for _, kind := range kinds {
		c := newCrew(kind, 1, 1, 1)
		near(t, kind, c.shares(start, 10_000, c.members[1]), []float64{0.5, 0, 0.5}, 0.03)
		near(t, kind, c.shares(start, 1000, c.members[1], c.members[0]), []float64{0, 0, 1}, 1e-6)
		if got := c.Pick(start, 7, c.members); got != -1 {
			t.Errorf("%s chose %d although all are skipped", kind, got)
		}
	}
}

func TestLeastLoadAvoidsTheLoaded(t *testing.T) {
	c := newCrew(LeastLoad, 1, 1, 1)
	for range 3 {
		c.members[0].Begin(start)
	}
	near(t, "3, 0, 0 in flight", c.shares(start, 10_000), []float64{0, 0.5, 0.5}, 0.03)
	// Twice the weight carries twice the load.
	c = newCrew(LeastLoad, 2, 1)
	for range 2 {
		c.members[0].Begin(start)
	}
	c.members[1].Begin(start)
	near(t, "2 and 1 in flight for weights 2 and 1", c.shares(start, 10_000), []float64{2. / 3, 1. / 3}, 0.03)
}

func TestAFastFailingMemberAttractsNothing(t *testing.T) {
	for _, c := range []struct {
		name string
		q    Quality
		want func(share float64) bool
	}{
		{"fails at once", Unanswered, func(share float64) bool { return share < 0.1 }},
		{"answers 5xx at once", Bad, func(share float64) bool { return share < 0.1 }},
		// The negative twin: what counts nowhere makes the one that is never busy the most wanted.
		{"ends at once without fault", Unknown, func(share float64) bool { return share > 0.5 }},
	} {
		crew := newCrew(LeastLoad, 1, 1)
		now, failing, n := start, 0, 2000
		var busy []gabion.Instant // when the requests of the good one end
		for range n {
			now += time.Millisecond // 1000 per second, each takes the good one 5 ms
			for len(busy) > 0 && busy[0] <= now {
				crew.members[0].End(now, now-5*time.Millisecond, Good)
				busy = busy[1:]
			}
			i := crew.Pick(now, 0, nil)
			crew.members[i].Begin(now)
			if i == 1 {
				failing++
				crew.members[1].End(now, now, c.q)
			} else {
				busy = append(busy, now+5*time.Millisecond)
			}
		}
		if share := float64(failing) / float64(n); !c.want(share) {
			t.Errorf("a member that %s got %.2f of the requests", c.name, share)
		}
	}
}

func TestPenaltyDecaysWithTimeAndSuccess(t *testing.T) {
	m := NewMember("a")
	for range 20 {
		m.Begin(start)
		m.End(start, start, Unanswered)
	}
	if got := m.trust(start); got != floor {
		t.Errorf("after 20 failures the trust is %v, want the floor", got)
	}
	if a, b := m.trust(start+5*time.Second), m.trust(start+10*time.Second); !(a > 0.2 && b > a && b < 0.7) {
		t.Errorf("the trust after 5 and 10 s is %v and %v", a, b)
	}
	if got := m.trust(start + time.Minute); got < 0.99 {
		t.Errorf("the trust after a minute is %v", got)
	}
	for range 60 {
		m.Begin(start)
		m.End(start, start, Good)
	}
	if m.penalty.Load() != 0 {
		t.Errorf("60 successes left a penalty of %v", m.failing(start))
	}
}

func TestASilentMemberIsTrustedLess(t *testing.T) {
	m := NewMember("a")
	for range 50 {
		m.Begin(start)
		m.End(start+5*time.Millisecond, start, Good)
	}
	now := start + time.Second
	if m.trust(now) != 1 {
		t.Error("an idle member is taken for silent")
	}
	m.Begin(now)
	if got := m.trust(now + 30*time.Millisecond); got != 1 {
		t.Errorf("the trust after 6 times the usual is %v", got)
	}
	if got := m.trust(now + 400*time.Millisecond); got > 0.11 {
		t.Errorf("the trust after 80 times the usual is %v", got)
	}
	m.Begin(now)
	m.End(now+400*time.Millisecond, now, Good)
	if got := m.trust(now + 401*time.Millisecond); got != 1 {
		t.Errorf("the trust right after an answer is %v", got)
	}
}

// One of three hangs, as after SIGSTOP. Requests to it end with a timeout of 400 ms.
func TestAHungMemberGetsFewRequests(t *testing.T) {
	slow := func(kind string) (slow int) {
		c := newCrew(kind, 1, 1, 1)
		type request struct{ member, ends, began int }
		var open []request
		for ms := range 5000 { // one request every 2 ms, hung after a second, 5 ms each
			now := start + time.Duration(ms)*time.Millisecond
			kept := open[:0]
			for _, r := range open {
				if r.ends > ms {
					kept = append(kept, r)
					continue
				}
				q := Good
				if r.ends-r.began > 5 {
					q = Unanswered
				}
				c.members[r.member].End(now, start+time.Duration(r.began)*time.Millisecond, q)
			}
			open = kept
			if ms%2 == 1 {
				continue
			}
			i, takes := c.Pick(now, mix(uint64(ms)), nil), 5
			c.members[i].Begin(now)
			if i == 0 && ms >= 1000 {
				takes = 400
				slow++
			}
			open = append(open, request{i, ms + takes, ms})
		}
		return slow
	}
	// 2000 requests come while it hangs; its share would be 667.
	if n := slow(LeastLoad); n > 40 {
		t.Errorf("least_load sent %d of 2000 requests into the hang", n)
	}
	if n := slow(RoundRobin); n < 600 {
		t.Errorf("round_robin sent only %d of 2000 requests into the hang: what makes least_load good is not what is tested", n)
	}
	if n := slow(Hash); n > 200 {
		t.Errorf("hash sent %d of 2000 requests into the hang, its bound of load does not hold", n)
	}
}

func TestRoundRobinIsSmooth(t *testing.T) {
	c := newCrew(RoundRobin, 5, 1, 1)
	last, run, longest := -1, 0, 0
	for range 700 {
		i := c.Pick(start, 0, nil)
		if run++; i != last {
			last, run = i, 1
		}
		longest = max(longest, run)
	}
	if longest > 4 { // in whole blocks it would be 5
		t.Errorf("a member of weight 5 in 7 was chosen %d times in a row", longest)
	}
}

func TestHashMovesLittle(t *testing.T) {
	const keys = 20_000
	before, without, heavier := newCrew(Hash, 1, 1, 1, 1), newCrew(Hash, 1, 1, 1), newCrew(Hash, 1, 1, 1, 2)
	moved, toOthers, grown := 0, 0, 0
	for k := range uint64(keys) {
		a, b, c := before.Pick(start, k, nil), without.Pick(start, k, nil), heavier.Pick(start, k, nil)
		if a != 3 && a != b {
			moved++
		}
		if a != c && c != 3 {
			toOthers++
		}
		if a != c && c == 3 {
			grown++
		}
		if a != before.Pick(start, k, nil) {
			t.Fatal("the same key went to two members")
		}
	}
	if moved != 0 || toOthers != 0 {
		t.Errorf("%d keys moved among the members that stayed, %d away from the one that got heavier to others", moved, toOthers)
	}
	if share := float64(grown) / keys; math.Abs(share-(0.4-0.25)) > 0.02 {
		t.Errorf("%.3f of the keys moved to the member that got heavier, want 0.15", share)
	}
}

func TestHashSpillsOverABoundOfLoad(t *testing.T) {
	c := newCrew(Hash, 1, 1, 1)
	for range 300 { // one key, nothing ever ends
		c.members[c.Pick(start, 42, nil)].Begin(start)
	}
	for i, m := range c.members {
		if n := m.InFlight(); n > 155 { // one and a half times its share
			t.Errorf("member %d has %d of 300 requests of one key", i, n)
		}
	}
}
