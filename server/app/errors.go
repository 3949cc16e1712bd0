package app

import (
	"context"
	"fmt"
	"time"

	"github.com/gabion-io/gabion/server/event"
	"github.com/gabion-io/gabion/server/memory"
)

// askEvery is how often the store is asked for errors that are new, and askWithin how long it may take to answer.
const askEvery, askWithin = 2 * time.Second, 2 * time.Second

// tellErrors makes events of the errors that services never had before, as the store finds them, until the process ends.
func (a *App) tellErrors() {
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
		for _, e := range a.newErrors(k, last) {
			a.events.Add(event.Event{Kind: event.KindNewError, Service: e.Service, Key: e.ID, Reason: e.Message})
			last = max(last, e.Number)
		}
	}
}

// newErrors are those behind a number.
func (a *App) newErrors(k *keeper, number uint64) []memory.NewError {
	ctx, cancel := context.WithTimeout(a.ctx, askWithin)
	defer cancel()
	var news memory.NewErrors
	if err := k.child.Get(ctx, fmt.Sprintf("%s?after=%d", memory.ErrorsPath, number), &news); err != nil {
		a.log.Debug("the store does not tell of errors that are new", "error", err) // it is asked again
	}
	return news.Errors
}
