package view

import (
	"fmt"
	"time"

	"github.com/gabion-io/gabion/server/status"
)

// PolicyLoad is what a policy of a service is busy with: a bulkhead, a shedder, a hedge, or a fault that was injected.
type PolicyLoad struct {
	Service string `json:"service"`
	// Policy is bulkhead, shed, hedge or fault.
	Policy string `json:"policy"`
	// Refused are requests that it refused, Again those that it sent again, Met those that it made fail, each per second.
	Refused float64 `json:"refused_per_second"`
	Again   float64 `json:"sent_again_per_second"`
	Met     float64 `json:"met_per_second"`

	state, note cell
}

// count is a number of events, as policies' tables show it: altogether, or per second.
type count func(n float64) string

// policyLoads are those of all services: what happened since before, in so many seconds.
func policyLoads(before, after []status.Service, seconds float64, now time.Time) []PolicyLoad {
	old := map[string]status.Service{}
	for _, one := range before {
		old[one.Name] = one
	}
	all := []PolicyLoad{}
	for _, one := range after {
		was := old[one.Name]
		if b := one.Bulkhead; b != nil {
			l := PolicyLoad{Service: one.Name, Policy: "bulkhead", state: bulkhead(b)}
			if b.Pressed {
				l.note = cell{"the queue does not get empty: newest first", warn}
			}
			if was.Bulkhead == nil {
				was.Bulkhead = &status.Bulkhead{}
			}
			l.Refused = float64(since(was.Bulkhead.Refused, b.Refused)) / seconds
			all = append(all, l)
		}
		if one.Shed != nil {
			all = append(all, shedLoad(one.Name, was.Shed, one.Shed, seconds))
		}
		if h := one.Hedge; h != nil {
			if was.Hedge == nil {
				was.Hedge = &status.Hedge{}
			}
			all = append(all, hedgeLoad(one.Name, was.Hedge, h, seconds))
		}
		met := map[string]uint64{}
		for _, f := range was.Faults {
			met[f.ID] = f.Met
		}
		for _, f := range one.Faults {
			all = append(all, PolicyLoad{
				Service: one.Name, Policy: "fault", Met: float64(since(met[f.ID], f.Met)) / seconds,
				state: cell{fmt.Sprintf("%s for %s", f.Kind, percent(f.Share)), bad}, note: cell{"ends in " + age(f.Until.Sub(now)), plain},
			})
		}
	}
	return all
}

func shedLoad(service string, was, s *status.Shed, passed float64) PolicyLoad {
	if was == nil {
		was = &status.Shed{}
	}
	l := PolicyLoad{Service: service, Policy: "shed", Refused: float64(since(was.RefusedInAll(), s.RefusedInAll())) / passed}
	l.state = cell{fmt.Sprintf("%d/%d", s.InFlight, s.Limit), plain}
	if s.Queued > 0 {
		l.state = cell{fmt.Sprintf("%s +%d", l.state.text, s.Queued), warn}
	}
	if s.Brownout > 0 {
		l.note = cell{"brownout " + percent(s.Brownout), warn}
	}
	return l
}

func hedgeLoad(service string, was, h *status.Hedge, passed float64) PolicyLoad {
	l := PolicyLoad{Service: service, Policy: "hedge", Again: float64(since(was.Hedges, h.Hedges)) / passed}
	l.state = cell{"learns", faint}
	if h.After > 0 {
		l.state = cell{"after " + seconds(h.After), plain}
	}
	if hedges := since(was.Hedges, h.Hedges); hedges > 0 {
		l.note.text = fmt.Sprintf("%.0f%% answered first", 100*share(since(was.Wins, h.Wins), hedges))
	}
	if h.Left < 1 {
		l.note = cell{"the budget is empty", warn}
	}
	return l
}

// policies is the table of what policies are busy with.
func policies(all []PolicyLoad, per string, n count) *table {
	t := &table{title: "POLICIES", head: []string{"SERVICE", "POLICY", "STATE", ">REFUSED" + per, ">SENT AGAIN" + per, ">MADE FAIL" + per, "NOTE"}}
	for _, l := range all {
		t.row(cell{l.Service, plain}, cell{l.Policy, plain}, l.state, cell{n(l.Refused), warn}, cell{n(l.Again), plain}, cell{n(l.Met), bad}, l.note)
	}
	return t
}
