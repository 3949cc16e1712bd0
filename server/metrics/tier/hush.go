package tier

import (
	"context"
	"log/slog"
)

// hushed passes records on, those of level info as debug: the databases tell a dozen of them at each start and several with
// each block, which are of use to those alone who look for a fault in a database.
type hushed struct{ slog.Handler }

// hush makes the logger of a database.
func hush(log *slog.Logger) *slog.Logger { return slog.New(hushed{log.Handler()}) }

func hushedLevel(l slog.Level) slog.Level {
	if l >= slog.LevelInfo && l < slog.LevelWarn {
		return slog.LevelDebug
	}
	return l
}

// Enabled implements slog.Handler.
func (h hushed) Enabled(ctx context.Context, l slog.Level) bool {
	return h.Handler.Enabled(ctx, hushedLevel(l))
}

// Handle implements slog.Handler.
func (h hushed) Handle(ctx context.Context, r slog.Record) error {
	r.Level = hushedLevel(r.Level)
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h hushed) WithAttrs(attrs []slog.Attr) slog.Handler {
	return hushed{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h hushed) WithGroup(name string) slog.Handler { return hushed{h.Handler.WithGroup(name)} }
