package app

import (
	"context"
	"fmt"
	"time"

	"github.com/gabion-io/gabion/server/event"
	"github.com/gabion-io/gabion/server/memory"
)

// askEvery is how often the store is asked what it found out, and askWithin how long it may take to answer.
const askEvery, askWithin = 2 * time.Second, 2 * time.Second

// tellNews makes events of what the store finds out, until the process ends: errors that services never had before, and
// damage.
func (a *App) tellNews() {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	k, last := a.keeper.Load(), uint64(0)
	for {
		select {
		case <-tick.C:
		case <-a.ctx.Done():
			return
		}
		if !k.child.Up() {
			continue
		}
		news := a.news(k, last)
		for _, e := range news.Errors {
			a.events.Add(event.Event{Kind: event.KindNewError, Service: e.Service, Key: e.ID, Reason: e.Message})
			last = max(last, e.Number)
		}
		for _, d := range news.Damage {
			a.events.Add(event.Event{Kind: event.KindDamage, Key: d.File, From: stamp(d.From), To: stamp(d.To), Reason: d.Reason})
			last = max(last, d.Number)
		}
	}
}

// stamp writes a time; none is empty.
func stamp(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.Format(time.RFC3339)
}

// news is what the store found out behind a number.
func (a *App) news(k *keeper, number uint64) (news memory.News) {
	ctx, cancel := context.WithTimeout(a.ctx, askWithin)
	defer cancel()
	if err := k.child.Get(ctx, fmt.Sprintf("%s?after=%d", memory.NewsPath, number), &news); err != nil {
		a.log.Debug("the store does not tell what it found out", "error", err) // it is asked again
	}
	return news
}
