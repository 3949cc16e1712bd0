package balance

import (
	"sync"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
)

// given offers n requests spread over a second from now and returns how many the members got.
func given(r *Ration, now gabion.Instant, n int, members ...*Member) (got []int) {
	got = make([]int, len(members))
	for i := range n {
		at := now + time.Duration(i)*time.Second/time.Duration(n)
		r.Offer(at)
		for k, m := range members {
			if r.Take(at, m) {
				got[k]++
				break
			}
		}
	}
	return got
}

func TestTheFirstThatIsBackDoesNotGetEverything(t *testing.T) {
	m := NewMember("a")
	m.Return(start)
	r := NewRation(start, []Rationed{{m, 1. / 3}}, false, 10*time.Second, new(sync.Mutex))
	for second, want := range []int{80, 115, 190} { // of 200; a third is 67
		got := given(r, start+time.Duration(second)*time.Second, 200, m)[0]
		if got < want-10 || got > want+10 {
			t.Errorf("in second %d it got %d of 200, want about %d", second, got, want)
		}
	}
	if r.Active(start + 3*time.Second) {
		t.Error("after 3 s it is still bounded")
	}
	// The negative twin: one that has always been there.
	if r := NewRation(start, []Rationed{{NewMember("b"), 1. / 3}}, false, 10*time.Second, new(sync.Mutex)); r.Active(start) || r.Len() != 0 {
		t.Error("a member that did not come back is bounded")
	}
	// Nor is one when slow start is off.
	if r := NewRation(start, []Rationed{{m, 1. / 3}}, false, 0, new(sync.Mutex)); r.Active(start) {
		t.Error("a member is bounded without slow start")
	}
}

func TestNothingIsLostWhenAllAreBack(t *testing.T) {
	var members []*Member
	var rationed []Rationed
	for _, key := range []string{"a", "b", "c"} {
		m := NewMember(key)
		m.Return(start)
		members, rationed = append(members, m), append(rationed, Rationed{m, 1. / 3})
	}
	r := NewRation(start, rationed, false, 10*time.Second, new(sync.Mutex))
	got := given(r, start, 200, members...)
	if all := got[0] + got[1] + got[2]; all < 195 || got[0] > 85 {
		t.Errorf("of 200 requests the three got %v", got)
	}
}

func TestWithOthersTheRationIsTheSlowStart(t *testing.T) {
	m := NewMember("a")
	m.Return(start)
	r := NewRation(start, []Rationed{{m, 1}}, true, 10*time.Second, new(sync.Mutex))
	for second, want := range map[int]int{0: 29, 5: 119, 9: 191} { // of 200
		got := given(r, start+time.Duration(second)*time.Second, 200, m)[0]
		if got < want-6 || got > want+6 {
			t.Errorf("in second %d it got %d of 200, want about %d", second, got, want)
		}
	}
}

func TestExhaustedMembersAreNamed(t *testing.T) {
	m := NewMember("a")
	m.Return(start)
	r := NewRation(start, []Rationed{{m, 0.1}}, false, 10*time.Second, new(sync.Mutex))
	for range rationBurst {
		if !r.Take(start, m) {
			t.Error("it cannot take what it has at once")
		}
	}
	if skip := r.Exhausted(start, nil); r.Take(start, m) || len(skip) != 1 || skip[0] != m {
		t.Errorf("exhausted are %v", skip)
	}
	for range 10 {
		r.Offer(start)
	}
	if skip := r.Exhausted(start, nil); len(skip) != 0 {
		t.Errorf("with a request to give, exhausted are %v", skip)
	}
	if !r.Take(start, NewMember("stranger")) {
		t.Error("a member without a ration is bounded")
	}
}
