package service

import (
	"slices"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/event"
	"github.com/gabion-io/gabion/server/gateway/health"
)

// eject takes out an endpoint that was found guilty, if enough others stay.
func (s *Service) eject(e *Endpoint, now gabion.Instant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || e.removed.Load() {
		return
	}
	others := s.othersUsable(e)
	e.mu.Lock()
	from := e.ejection.State()
	// It may be out already, when two results came at the same moment.
	may := from == health.Trial || from == health.In && others && s.ejected() < s.mayBeEjected()
	if may {
		// While nothing else works either, the fault may not be this endpoint's: it is not out for longer and longer.
		e.ejection.Eject(now, others)
	}
	why := e.ejection.Why()
	e.mu.Unlock()
	if !may {
		return
	}
	s.tell(event.Event{
		Kind: event.KindEjection, Service: s.name, Endpoint: e.Name(),
		From: from.String(), To: health.Out.String(), Reason: why,
	})
	s.rebuild(now)
}

// othersUsable says whether there is a usable endpoint beside e.
func (s *Service) othersUsable(e *Endpoint) bool {
	return slices.ContainsFunc(s.endpoints, func(o *Endpoint) bool { return o != e && o.condition.usable() })
}

// ejected is how many endpoints are out or on trial.
func (s *Service) ejected() (n int) {
	for _, e := range s.endpoints {
		if e.condition.out {
			n++
		}
	}
	return n
}

// mayBeEjected is how many endpoints may be out at the same time: their share, but at least one and never all.
func (s *Service) mayBeEjected() int {
	all := len(s.endpoints)
	return min(max(1, int(s.settings.maxEjected*float64(all))), all-1)
}

// releaseSurplus lets endpoints in that are out beyond the bound, because others were removed: those first that have
// been out for longest.
func (s *Service) releaseSurplus(now gabion.Instant) {
	for s.ejected() > max(0, s.mayBeEjected()) {
		var longest *Endpoint
		for _, e := range s.endpoints {
			if e.condition.out && (longest == nil || e.since < longest.since) {
				longest = e
			}
		}
		longest.mu.Lock()
		longest.ejection.Release(now)
		longest.period.Store(longest.ejection.Period())
		longest.mu.Unlock()
		longest.condition.out, longest.since = false, now
		longest.member.Return(now)
		s.tell(event.Event{
			Kind: event.KindEjection, Service: s.name, Endpoint: longest.Name(),
			From: health.Out.String(), To: health.In.String(), Reason: "too few other endpoints are left",
		})
	}
}
