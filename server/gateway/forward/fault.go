package forward

import (
	"context"
	"errors"
	"syscall"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/fault"
	"github.com/gabion-io/gabion/server/gateway/inject"
	"github.com/gabion-io/gabion/server/gateway/upstream"
)

// fault lets a trip meet the faults that are injected into the service, in the place of the endpoint. It returns what the
// endpoint has of the timeout, which is 0 when there is none; met is set when the endpoint is not to be asked at all.
func (c *call) fault(ctx context.Context, r *trip, timeout time.Duration) (left time.Duration, met bool) {
	f := c.at.service.Fault()
	if !f.Armed() {
		return timeout, false
	}
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	plan := f.Before(fault.WithKey(ctx, c.x.Identity), gabion.Attempt{Number: r.number, Entered: r.began, Now: r.began})
	pause(ctx, plan.Delay)
	err := ctx.Err()
	if err == nil && plan.Instead == nil {
		if timeout > 0 {
			timeout = max(1, timeout-plan.Delay)
		}
		return timeout, false
	}
	if err == nil {
		err = plan.Instead(ctx)
	}
	r.reply, r.failure = made(err, gabion.Now()-r.began)
	return 0, true
}

// made is what an endpoint would have given that failed with err after a time.
func made(err error, took time.Duration) (*upstream.Reply, *upstream.Error) {
	kind := upstream.Timeout
	switch status, answered := errors.AsType[inject.StatusError](err); {
	case answered:
		return upstream.StandIn(int(status), took), nil
	case errors.Is(err, syscall.ECONNRESET):
		kind = upstream.Reset
	case errors.Is(err, context.Canceled):
		kind = upstream.Canceled
	}
	return nil, &upstream.Error{Kind: kind, Sent: true, Reached: true, Err: err}
}
