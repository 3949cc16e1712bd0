package logs

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
)

// Handler is a slog.Handler that sends records to Gabion. Make it with [New], end it with [Handler.Close]. It is safe for
// concurrent use.
type Handler struct {
	shared *sender
	trace  func(context.Context) (string, string)
	level  slog.Leveler
	next   slog.Handler // may be nil
	encode slog.Handler // has all attributes that were given outside of groups
	groups []group      // those that are open, the outermost first
}

// group is an open group with the attributes that were given in it.
type group struct {
	name  string
	attrs []slog.Attr
}

// Counts is what became of the lines so far.
type Counts struct {
	// Buffered lines wait to be sent, or are just being sent, Bytes is the memory that they take.
	Buffered, Bytes int
	// Sent lines were taken by Gabion. Dropped ones were given up: the oldest when there was no room, and what is too long,
	// came after Close, or could not be sent by Close. Refused ones were given up because Gabion will never take them.
	Sent, Dropped, Refused uint64
	// Retries counts tries that failed, but for those after which the lines were refused.
	Retries uint64
}

// New makes a handler and starts the goroutine that sends. It fails with what [Config.Validate] says.
func New(cfg Config) (*Handler, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("logs: %w", err)
	}
	cfg = cfg.withDefaults()
	shared := newSender(cfg)
	encode := slog.NewJSONHandler(shared, &slog.HandlerOptions{AddSource: cfg.Source, Level: everything}).WithAttrs(cfg.origin())
	return &Handler{shared: shared, trace: cfg.Trace, level: cfg.Level, next: cfg.Next, encode: encode}, nil
}

// everything is below all levels: whether a record is wanted is decided before it is encoded.
const everything = slog.Level(-1 << 30)

// Enabled reports whether Gabion or Config.Next wants records of a level.
func (h *Handler) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= h.level.Level() || h.next != nil && h.next.Enabled(ctx, level)
}

// Handle buffers a record for Gabion, and then gives it to Config.Next, whose error it returns. By itself it never fails.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= h.level.Level() {
		// Neither the encoder nor the buffer fails.
		_ = h.encode.Handle(ctx, h.complete(ctx, r))
	}
	if h.next != nil && h.next.Enabled(ctx, r.Level) {
		return h.next.Handle(ctx, r)
	}
	return nil
}

// complete is the record with everything that the encoder does not know: the trace, and the groups that are open.
func (h *Handler) complete(ctx context.Context, r slog.Record) slog.Record {
	var trace, span string
	if h.trace != nil {
		trace, span = h.trace(ctx)
	}
	if trace == "" && span == "" && len(h.groups) == 0 {
		return r
	}
	whole := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	if trace != "" {
		whole.AddAttrs(slog.String("trace_id", trace))
	}
	if span != "" {
		whole.AddAttrs(slog.String("span_id", span))
	}
	if len(h.groups) == 0 {
		r.Attrs(func(a slog.Attr) bool { whole.AddAttrs(a); return true })
		return whole
	}
	attrs := make([]slog.Attr, 0, r.NumAttrs())
	r.Attrs(func(a slog.Attr) bool { attrs = append(attrs, a); return true })
	for _, g := range slices.Backward(h.groups) {
		attrs = []slog.Attr{slog.GroupAttrs(g.name, slices.Concat(g.attrs, attrs)...)}
	}
	whole.AddAttrs(attrs...)
	return whole
}

// WithAttrs implements slog.Handler.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	with := *h
	if n := len(h.groups) - 1; n < 0 {
		with.encode = h.encode.WithAttrs(attrs)
	} else {
		with.groups = slices.Clone(h.groups)
		with.groups[n].attrs = slices.Concat(h.groups[n].attrs, attrs)
	}
	if h.next != nil {
		with.next = h.next.WithAttrs(attrs)
	}
	return &with
}

// WithGroup implements slog.Handler.
func (h *Handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	with := *h
	with.groups = append(slices.Clip(h.groups), group{name: name})
	if h.next != nil {
		with.next = h.next.WithGroup(name)
	}
	return &with
}

// Counts is what became of the lines so far, of this handler and all that were made of it.
func (h *Handler) Counts() Counts { return Counts(h.shared.spool.Counts()) }

// Close sends what is left until ctx ends; its error says how many lines are lost, and why. What is logged from then on goes only to
// Config.Next. It closes all handlers that were made of this one, and may be called several times.
func (h *Handler) Close(ctx context.Context) error {
	if err := h.shared.spool.Close(ctx); err != nil {
		return fmt.Errorf("logs: lines: %w", err)
	}
	return nil
}
