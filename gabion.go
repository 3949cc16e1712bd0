package gabion

import (
	"context"
	"errors"
	"math"
	"time"
)

// Instant is a reading of the process's monotonic clock: nanoseconds since an arbitrary moment before the
// process started. It is always positive, so zero can mean "none". Steps of the wall clock do not touch it.
type Instant = time.Duration

// epoch lies so far back that no reading of [Now] is ever zero or negative: not even in a bubble of
// testing/synctest, where it is the year 2000.
var epoch = time.Now().Add(-50 * 365 * 24 * time.Hour)

// Now reads the monotonic clock. Pure cores never call it: their callers pass the reading in.
func Now() Instant { return time.Since(epoch) }

// InstantOf converts a time.Time, such as a context's deadline, to an Instant.
func InstantOf(t time.Time) Instant { return t.Sub(epoch) }

// timeOf converts an Instant back.
func timeOf(i Instant) time.Time { return epoch.Add(i) }

// Off switches off the part of a policy whose Config field is set to it, where the field's comment says that
// it can be. (The zero value means the documented default.) In a configuration file it is written "off".
const Off = math.MinInt32

// Outcome is what a finished call tells the policies about the health of what was called.
type Outcome uint8

// The outcomes of a call.
const (
	// Success: the dependency answered as it should.
	Success Outcome = iota
	// Failure: it did not.
	Failure
	// Ignored: the call says nothing about the dependency, because its caller went away or because a
	// policy of our own refused it. Ignored calls are not retried and open no breaker.
	Ignored
)

// String returns "success", "failure" or "ignored".
func (o Outcome) String() string {
	switch o {
	case Success:
		return "success"
	case Failure:
		return "failure"
	case Ignored:
		return "ignored"
	}
	return "unknown"
}

// Do calls f through the pipe and returns what it, or the policy that stood in for it, returned.
//
// f may run several times, and must give up when its context ends. It runs on the caller's
// goroutine. When f panics or calls runtime.Goexit, every permit is given back (the outcome
// counts as [Failure]) and the panic goes on. When ctx has already ended, f is not called at all.
//
// A pipe that hedges needs [DoHedged].
func Do[T any](ctx context.Context, p *Pipe, f func(context.Context) (T, error)) (T, error) {
	if p.races {
		var none T
		return none, errHedges
	}
	return do(ctx, p, nil, f)
}

// DoHedged is [Do] for a pipe that may run f beside itself, on other goroutines: f must be safe for that. What the run
// that lost gives is given to Config.Discard; it may come after DoHedged has returned. (Do could not do this without an
// allocation for what f holds, in every call of every pipe.)
func DoHedged[T any](ctx context.Context, p *Pipe, f func(context.Context) (T, error)) (T, error) {
	return do(ctx, p, f, f)
}

var errHedges = errors.New("gabion: this pipe hedges, which Do and Run cannot: use DoHedged")

// do is a call. held is f where it may be kept for other goroutines; nil where it may not.
func do[T any](ctx context.Context, p *Pipe, held any, f func(context.Context) (T, error)) (T, error) {
	if err := ctx.Err(); err != nil {
		var none T
		return none, err
	}
	var r run // a literal would be made elsewhere and copied, which takes 5 ns
	r.pipe, r.caller, r.held = p, ctx, held
	if p.calls == nil {
		return enter(ctx, &r, 0, f)
	}
	start := r.time()
	returned := false
	defer func() {
		if !returned { // a panic or runtime.Goexit is passing through
			p.ended(Failure, errUnwound, start, Now())
		}
	}()
	v, err := enter(ctx, &r, 0, f)
	returned = true
	p.ended(r.outcome, err, start, r.time())
	return v, err
}

// Run is [Do] for a function without a result.
func (p *Pipe) Run(ctx context.Context, f func(context.Context) error) error {
	_, err := Do(ctx, p, func(ctx context.Context) (struct{}, error) { return struct{}{}, f(ctx) })
	return err
}
