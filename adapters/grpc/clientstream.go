package grpc

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/gabion-io/gabion"
)

// Stream is a grpc.StreamClientInterceptor.
func (c *Client) Stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	pipe, err := c.pipe(c.config.Streams, cc, method)
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	if c.config.Reopen != nil {
		c.config.Reopen.Start(gabion.Now())
	}
	for number := 1; ; number++ {
		s := &clientStream{client: c, cc: cc, desc: desc, method: method, ctx: gabion.WithAttempt(ctx, number)}
		err := s.open(pipe, open, opts)
		if err == nil {
			return s, nil
		}
		if !c.reopen(ctx, number, err) {
			return nil, withStatus(ctx, err)
		}
	}
}

// reopen waits until the opening that has failed may be tried again; false when it may not.
func (c *Client) reopen(ctx context.Context, number int, err error) bool {
	f, ok := err.(*failure) //nolint:errorlint // what a policy has wrapped is its refusal
	if !ok || !f.again || c.config.Reopen == nil || gabion.AttemptOf(ctx) > 1 {
		return false
	}
	var deadline gabion.Instant
	if d, ok := ctx.Deadline(); ok {
		deadline = gabion.InstantOf(d)
	}
	next := c.config.Reopen.Decide(gabion.Now(), number, deadline, f.after)
	if !next.Again {
		return false
	}
	timer := time.NewTimer(next.Wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// clientStream is a stream that holds a permit.
type clientStream struct {
	grpc.ClientStream
	client *Client
	cc     *grpc.ClientConn
	desc   *grpc.StreamDesc
	method string
	ctx    context.Context

	permit    *gabion.Permit
	beginning beginning
	answers   atomic.Bool
	// unwatch ends the watch over the context.
	unwatch func() bool
}

// open passes the guards and opens the stream. The permit comes back by whatever is first: the end that the caller learns of,
// the end of the context, after which it may never ask again, or the end of the connection.
func (s *clientStream) open(pipe *gabion.Pipe, open grpc.Streamer, opts []grpc.CallOption) error {
	permit, err := pipe.Acquire(context.WithValue(s.ctx, beginningKey{}, &s.beginning))
	if err != nil {
		return err
	}
	s.permit = permit
	s.unwatch = context.AfterFunc(s.ctx, func() { s.release(status.FromContextError(s.ctx.Err()).Err()) })
	returned := false
	defer func() {
		if !returned { // a panic or runtime.Goexit is passing through
			s.end(errUnwound)
		}
	}()
	opts = append(slices.Clip(opts), grpc.OnFinish(func(error) {
		if s.cc.GetState() == connectivity.Shutdown {
			s.end(context.Canceled)
		}
	}))
	stream, err := open(numbered(s.ctx), s.desc, s.cc, s.method, opts...)
	returned = true
	if err != nil {
		err = s.client.failed(s.cc, s.method, err, false, nil)
		s.end(err)
		return err
	}
	s.ClientStream = stream
	return nil
}

// end is the end of the stream, with its error, which is nil when it ended well.
func (s *clientStream) end(err error) {
	s.unwatch()
	s.release(err)
}

func (s *clientStream) release(err error) { s.permit.Done(s.outcome(err), err) }

func (s *clientStream) outcome(err error) gabion.Outcome {
	if errors.Is(err, context.Canceled) { // we have closed the connection
		return gabion.Ignored
	}
	return outcome(s.ctx, err)
}

// answered is called when something has come from the server.
func (s *clientStream) answered() {
	if !s.answers.Load() && !s.answers.Swap(true) {
		s.beginning.answered()
	}
}

// Header implements grpc.ClientStream.
func (s *clientStream) Header() (metadata.MD, error) {
	md, err := s.ClientStream.Header()
	switch {
	case err != nil:
		return md, s.failed(err)
	case md != nil:
		s.answered()
	}
	return md, nil
}

// SendMsg implements grpc.ClientStream. An error of its own, which is not io.EOF, ends the stream and is the caller's: a
// message, for example, that is too long.
func (s *clientStream) SendMsg(m any) error {
	returned := false
	defer func() {
		if !returned {
			s.end(errUnwound)
		}
	}()
	err := s.ClientStream.SendMsg(m)
	returned = true
	if err != nil && !errors.Is(err, io.EOF) {
		s.unwatch()
		s.permit.Done(gabion.Ignored, err)
	}
	return err
}

// RecvMsg implements grpc.ClientStream.
func (s *clientStream) RecvMsg(m any) error {
	returned := false
	defer func() {
		if !returned {
			s.end(errUnwound)
		}
	}()
	err := s.ClientStream.RecvMsg(m)
	returned = true
	switch {
	case errors.Is(err, io.EOF):
		s.end(nil)
	case err != nil:
		return s.failed(err)
	case !s.desc.ServerStreams: // its only message
		s.end(nil)
	default:
		s.answered()
	}
	return err
}

// failed ends the stream with an error.
func (s *clientStream) failed(err error) error {
	f := s.client.failed(s.cc, s.method, err, true, s.Trailer())
	f.again = false // a stream that was open is not opened again
	s.end(f)
	return f
}
