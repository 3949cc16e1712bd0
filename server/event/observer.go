package event

import (
	"strings"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/mask"
)

// Observer returns what the policies of the kit report to, so that what matters of it becomes an event. about holds
// what the policies stand for: Service, and Endpoint, Route or Limit where that applies.
//
// Changes of state are told one by one. Refusals by limits, fallbacks and empty retry budgets come with every
// request while they last, so they are told as what they are: things that go on. Keys are masked.
func (l *Log) Observer(about Event) gabion.Observer {
	limit, retry, fallback := scopeOf(&about, KindLimit), scopeOf(&about, KindRetry), scopeOf(&about, KindFallback)
	return gabion.ObserverFunc(func(k gabion.Event) {
		switch k.Kind {
		case gabion.EventState:
			l.Add(change(about, k))
		case gabion.EventRefused:
			if k.Policy == "ratelimit" {
				l.ongoing(spellKey{limit, k.Key}, func() Event { return limited(about, k) })
			}
		case gabion.EventGaveUp:
			if strings.Contains(k.Detail, "budget") {
				l.ongoing(spellKey{retry, ""}, func() Event { return spent(about, k) })
			}
		case gabion.EventFallback:
			l.ongoing(spellKey{fallback, k.Detail}, func() Event { return stoodIn(about, k) })
		}
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

func spent(about Event, k gabion.Event) Event {
	e := about
	e.Kind, e.At = KindRetry, wall(k.At)
	e.From, e.To = "available", "empty"
	e.Reason = "the retry budget is empty: failed requests are not retried"
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
