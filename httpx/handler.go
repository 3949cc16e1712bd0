package httpx

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/gabion-io/gabion"
)

// HandlerConfig is what a [Handler] is made of. The zero value of every field means its default.
type HandlerConfig struct {
	// Pipe holds the guards that admit requests. Its drivers, such as retry, do not act. Default: all are admitted.
	Pipe *gabion.Pipe
	// Key says whose guards a request passes, when Pipe has some for each key, such as a route: Pipe.For(Key(request)).
	// Default: all requests pass those of Pipe itself.
	Key func(*http.Request) string
	// Timeout is how long a request may take, as its context says. The request can ask for less, but not for more. For one
	// that begins a stream (text/event-stream, or another protocol) only what it asks for counts. It can be off.
	// Default: 30 s.
	Timeout time.Duration
	// Priority is how long a request is kept when not all can be served. Default: gabion.Normal for all.
	Priority func(*http.Request) gabion.Priority
	// Tenant is who made a request, such as a customer. Guards that have a key of their own can take this one: set their Key
	// to gabion.TenantOf. Default: nobody in particular.
	Tenant func(*http.Request) string
	// Refuse answers a request that was not admitted; r is as it came. Default: [Refuse].
	Refuse func(w http.ResponseWriter, r *http.Request, err error)
	// Ended is told of every request when it has ended, such as to count it. It must be safe for concurrent use, and must not
	// block. Default: nobody is.
	Ended func(Served)
}

const defaultTimeout = 30 * time.Second

// Validate returns all that is impossible in c, joined: each a *[gabion.FieldError].
func (c HandlerConfig) Validate() error {
	var problems []error
	if c.Timeout < 0 && c.Timeout != gabion.Off {
		problems = append(problems, &gabion.FieldError{
			Field: "timeout", Problem: fmt.Sprintf("is %v, must be positive or off", c.Timeout),
		})
	}
	if c.Pipe == nil && c.Key != nil {
		problems = append(problems, &gabion.FieldError{Field: "key", Problem: "is set, but there is no pipe"})
	}
	return errors.Join(problems...)
}

// Handler is an http.Handler that admits requests through guards to another handler. It is safe for concurrent use. Make it
// with [NewHandler].
//
// A request holds what the guards gave it until the handler returns: streams and connections that were taken over
// (http.Hijacker) as well. A panic gives it back, and goes on. Guards are told of a failure when the answer is 5xx, other
// than 501 and 505, and when the handler panics; of nothing when the client has gone meanwhile.
type Handler struct {
	config HandlerConfig // with defaults applied
	next   http.Handler
}

// NewHandler makes a handler that stands before next. It fails when next is nil, and with what [HandlerConfig.Validate]
// says.
func NewHandler(cfg HandlerConfig, next http.Handler) (*Handler, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("httpx: %w", err)
	}
	if next == nil {
		return nil, errors.New("httpx: the handler that a Handler stands before is nil")
	}
	cfg.Timeout = cmp.Or(cfg.Timeout, defaultTimeout)
	if cfg.Refuse == nil {
		cfg.Refuse = func(w http.ResponseWriter, _ *http.Request, err error) { Refuse(w, err) }
	}
	return &Handler{cfg, next}, nil
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	client := r.Context()
	answer := &recorder{ResponseWriter: w}
	ctx, cancel := h.context(r, &answer.serving)
	defer cancel()
	inner := r.WithContext(ctx)
	if h.config.Ended != nil {
		w := observe(inner, answer)
		defer func() { h.config.Ended(w.served()) }()
	}
	permit, err := h.admit(ctx, r)
	if err != nil {
		answer.refused, answer.returned = err, true
		h.config.Refuse(answer.face(), r, err)
		return
	}
	if permit != nil {
		defer func() { permit.Done(answer.outcome(client)) }()
	}
	h.next.ServeHTTP(answer.face(), inner)
	answer.returned = true
}

// admit passes the guards.
func (h *Handler) admit(ctx context.Context, r *http.Request) (*gabion.Permit, error) {
	pipe := h.config.Pipe
	if pipe == nil {
		return nil, ctx.Err() // the time may have been over from the start
	}
	if h.config.Key != nil {
		var err error
		if pipe, err = pipe.For(h.config.Key(r)); err != nil {
			return nil, err
		}
	}
	return pipe.Acquire(ctx)
}

// context is what the guards and the handler are to know of a request.
func (h *Handler) context(r *http.Request, s *serving) (context.Context, context.CancelFunc) {
	ctx := context.WithValue(r.Context(), servingKey{}, s)
	if h.config.Priority != nil {
		ctx = gabion.WithPriority(ctx, h.config.Priority(r))
	}
	if h.config.Tenant != nil {
		ctx = gabion.WithTenant(ctx, h.config.Tenant(r))
	}
	ctx = gabion.WithAttempt(ctx, attemptOf(r.Header))
	timeout, asked := timeoutOf(r.Header)
	if most := h.config.Timeout; most != gabion.Off && !isStream(r) && (!asked || most < timeout) {
		timeout, asked = most, true
	}
	if !asked {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, timeout)
}

// serving is a request that is served, as the calls that it makes on the way see it.
type serving struct{ gaveUp atomic.Bool }

type servingKey struct{}

// tellCaller notes that a retry policy gave up on a call that was made while a request is served, so that the answer can
// say so.
func tellCaller(ctx context.Context, gave bool) {
	if s, ok := ctx.Value(servingKey{}).(*serving); ok && gave {
		s.gaveUp.Store(true)
	}
}
