package otlp

import (
	"context"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"
)

// admit bounds how many calls there are at a time, and how long each may take: a message that comes slowly, or never to
// its end, holds memory for as long. Who comes when there are too many is told to come again, before anything of its
// message is read.
func admit(most int64, within time.Duration) tap.ServerInHandle {
	var open atomic.Int64
	return func(ctx context.Context, _ *tap.Info) (context.Context, error) {
		if open.Add(1) > most {
			open.Add(-1)
			return nil, status.Error(codes.Unavailable, "too many calls at a time: send the same again later")
		}
		ctx, cancel := context.WithTimeout(ctx, within)
		context.AfterFunc(ctx, func() { // the context of a call always ends
			cancel()
			open.Add(-1)
		})
		return ctx, nil
	}
}
