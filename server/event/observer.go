package event

import (
	"strings"
	"time"
	"unique"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/mask"
)

// Observer returns what the policies of the kit report to, so that what matters of it becomes an event. about holds
// what the policies stand for: Service, and Endpoint, Route or Limit where that applies.
//
// Changes of state are told one by one. Refusals, fallbacks and empty budgets come with every request while they last, so
// they are told as what they are: things that go on. Keys are masked.
func (l *Log) Observer(about Event) gabion.Observer {
	o := &observer{log: l, about: about, scopes: map[Kind]unique.Handle[scope]{}}
	for _, kind := range []Kind{KindLimit, KindFallback, KindRetry, KindHedge, KindBulkhead, KindShed} {
		o.scopes[kind] = scopeOf(&about, kind)
	}
	return o
}

type observer struct {
	log    *Log
	about  Event
	scopes map[Kind]unique.Handle[scope] // made once, because they are needed with every request
}

// Observe implements [gabion.Observer].
func (o *observer) Observe(k gabion.Event) {
	switch k.Kind {
	case gabion.EventState:
		o.log.Add(change(o.about, k))
	case gabion.EventRefused:
		o.refused(k)
	case gabion.EventGaveUp:
		switch {
		case !strings.Contains(k.Detail, "budget"):
		case k.Policy == "hedge":
			o.goesOn(KindHedge, k, "available", "empty", "the hedge budget is empty: slow requests are not sent again")
		default:
			o.goesOn(KindRetry, k, "available", "empty", "the retry budget is empty: failed requests are not retried")
		}
	case gabion.EventFallback:
		o.log.ongoing(spellKey{o.scopes[KindFallback], k.Detail}, func() Event { return stoodIn(o.about, k) })
	}
}

func (o *observer) refused(k gabion.Event) {
	switch k.Policy {
	case "ratelimit":
		o.log.ongoing(spellKey{o.scopes[KindLimit], k.Key}, func() Event { return limited(o.about, k) })
	case "bulkhead":
		o.goesOn(KindBulkhead, k, "free", "full", "the bulkhead is full: requests are refused")
	case "shed":
		o.goesOn(KindShed, k, "normal", "shedding", "more comes than can be answered in time: requests are refused")
	}
}

// goesOn tells of something that comes with every request while it lasts.
func (o *observer) goesOn(kind Kind, k gabion.Event, from, to, reason string) {
	o.log.ongoing(spellKey{o.scopes[kind], ""}, func() Event {
		e := o.about
		e.Kind, e.At, e.From, e.To, e.Reason = kind, wall(k.At), from, to, reason
		return e
	})
}

func change(about Event, k gabion.Event) Event {
	e := about
	e.Kind = Kind(k.Policy)
	e.At = wall(k.At)
	e.From, e.To, e.Reason = k.From, k.To, k.Detail
	e.Key = mask.Key(k.Key)
	return e
}

func limited(about Event, k gabion.Event) Event {
	e := about
	e.Kind, e.At = KindLimit, wall(k.At)
	if e.Limit == "" {
		e.Limit = k.Name
	}
	e.Key = mask.Key(k.Key)
	e.From, e.To = "allowed", "limited"
	e.Reason = mask.Error(k.Err, k.Key)
	return e
}

func stoodIn(about Event, k gabion.Event) Event {
	e := about
	e.Kind, e.At = KindFallback, wall(k.At)
	e.From, e.To = "normal", k.Detail
	e.Reason = "a fallback answers"
	if k.Err != nil {
		e.Reason = "a fallback answers, because: " + mask.Error(k.Err, k.Key)
	}
	return e
}

// wall is the moment of an instant on the wall clock.
func wall(at gabion.Instant) time.Time {
	if at == 0 {
		return time.Now()
	}
	return time.Now().Add(at - gabion.Now())
}
