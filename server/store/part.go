package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"

	"github.com/gabion-io/gabion/server/store/disk"
)

// Part is one of the things that the store is made of, such as the logs.
type Part interface {
	// Name is for messages.
	Name() string
	// Open brings it up. It is called once, after all parts before it are open, and ends early when ctx does. What it
	// starts outlives ctx: only Close ends it.
	Open(ctx context.Context) error
	// Handle registers its handlers. It is called after all parts are open. Requests have a context that ends when the
	// store stops.
	Handle(mux *http.ServeMux)
	// Close takes it down, after all parts behind it are closed and no request is left. It is called once if Open
	// succeeded, and should end when ctx does.
	Close(ctx context.Context) error
}

// Taker is a part that takes items from the gateway.
type Taker interface {
	// Kinds are the kinds of items that it takes. No two parts take the same.
	Kinds() []string
	// Take keeps items of one kind, in order, and returns how many: what is counted must survive the end of the process,
	// because the gateway forgets it. The error says why the next one was not taken: [ErrRefused] that it never will be,
	// everything else that it should be sent again later. Calls do not overlap. The items are good until it returns.
	Take(ctx context.Context, kind string, items [][]byte) (int, error)
}

// ErrRefused is the error of an item that no repetition makes better.
var ErrRefused = errors.New("item refused")

// Env is what parts are made with.
type Env struct {
	Settings
	// Guard knows how much room the disk has.
	Guard *disk.Guard
	// Log is for messages.
	Log *slog.Logger
}

// openParts opens them in order. When one fails, those before are left open: it returns how many are.
func openParts(ctx context.Context, parts []Part, opening func(name string)) (open int, err error) {
	for i, p := range parts {
		opening(p.Name())
		if err := ctx.Err(); err != nil {
			return i, context.Cause(ctx)
		}
		if err := p.Open(ctx); err != nil {
			return i, fmt.Errorf("opening the %s: %w", p.Name(), err)
		}
	}
	return len(parts), nil
}

// closeParts closes them, the last one first.
func closeParts(ctx context.Context, parts []Part) (err error) {
	for _, p := range slices.Backward(parts) {
		if failed := p.Close(ctx); failed != nil {
			err = errors.Join(err, fmt.Errorf("closing the %s: %w", p.Name(), failed))
		}
	}
	return err
}

// takers finds the part for each kind of item.
func takers(parts []Part) (map[string]Taker, error) {
	by := map[string]Taker{}
	for _, p := range parts {
		taker, ok := p.(Taker)
		if !ok {
			continue
		}
		for _, kind := range taker.Kinds() {
			if by[kind] != nil {
				return nil, fmt.Errorf("two parts take items of kind %q, one is %s", kind, p.Name())
			}
			by[kind] = taker
		}
	}
	return by, nil
}
