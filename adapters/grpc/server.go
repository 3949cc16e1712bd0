package grpc

import (
	"context"
	"sync/atomic"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/gabion-io/gabion"
)

// Server admits the calls and streams that come to a server. It is safe for concurrent use. Make it with [NewServer].
type Server struct{ config ServerConfig }

// NewServer makes a server. It fails with what [ServerConfig.Validate] says.
func NewServer(cfg ServerConfig) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Server{cfg.withDefaults()}, nil
}

// ServerOptions are for grpc.NewServer: both interceptors, after those that are given before.
func (s *Server) ServerOptions() []grpc.ServerOption {
	return []grpc.ServerOption{grpc.ChainUnaryInterceptor(s.Unary), grpc.ChainStreamInterceptor(s.Stream)}
}

// Unary is a grpc.UnaryServerInterceptor.
func (s *Server) Unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (resp any, err error) {
	if s.config.Exempt(info.FullMethod) {
		return handle(ctx, req)
	}
	tell := func(md metadata.MD) error { return grpc.SetTrailer(ctx, md) }
	err = s.admitted(ctx, s.config.Pipe, info.FullMethod, tell, func(ctx context.Context) (err error) {
		resp, err = handle(ctx, req)
		return err
	})
	return resp, err
}

// Stream is a grpc.StreamServerInterceptor.
func (s *Server) Stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	if s.config.Exempt(info.FullMethod) {
		return handle(srv, ss)
	}
	tell := func(md metadata.MD) error { ss.SetTrailer(md); return nil }
	return s.admitted(ss.Context(), s.config.Streams, info.FullMethod, tell, func(ctx context.Context) error {
		return handle(srv, &serverStream{ss, ctx})
	})
}

// serverStream is a stream with a context of ours.
type serverStream struct {
	grpc.ServerStream
	ctx context.Context
}

// Context implements grpc.ServerStream.
func (s *serverStream) Context() context.Context { return s.ctx }

// admitted runs a handler that the guards admit. tell adds to the trailer of the answer.
func (s *Server) admitted(ctx context.Context, pipe *gabion.Pipe, method string, tell func(metadata.MD) error, handle func(context.Context) error) error {
	answer := &served{}
	ctx = context.WithValue(s.described(ctx, method), servedKey{}, answer)
	pipe, err := pipeFor(pipe, s.config.Key != nil, func() string { return s.config.Key(ctx, method) })
	if err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	permit, err := pipe.Acquire(ctx)
	if err != nil {
		return refusal(ctx, err, tell)
	}
	returned := false
	defer func() {
		if !returned { // a panic or runtime.Goexit is passing through
			permit.Done(gabion.Failure, errUnwound)
		}
	}()
	err = handle(ctx)
	returned = true
	permit.Done(outcome(ctx, err), err)
	if err != nil && (answer.gaveUp.Load() || spent(err)) {
		// It fails when the handler has ended the stream of the answer itself; then the caller does not learn of it.
		_ = tell(metadata.Pairs(metadataPushback, "-1"))
	}
	return err
}

// served is in the context of a handler, where the calls that it makes leave word for its caller.
type served struct{ gaveUp atomic.Bool }

type servedKey struct{}

// tellCaller notes that a call was retried in vain, in case that the handler that made it fails with an error of its own.
func tellCaller(ctx context.Context, err error) {
	if s, ok := ctx.Value(servedKey{}).(*served); ok && spent(err) {
		s.gaveUp.Store(true)
	}
}

// described puts what is known of a call into its context.
func (s *Server) described(ctx context.Context, method string) context.Context {
	md, _ := metadata.FromIncomingContext(ctx)
	ctx = gabion.WithAttempt(ctx, s.config.Attempt(ctx, md))
	if s.config.Priority != nil {
		ctx = gabion.WithPriority(ctx, s.config.Priority(ctx, method, md))
	}
	if s.config.Tenant != nil {
		ctx = gabion.WithTenant(ctx, s.config.Tenant(ctx, method, md))
	}
	return ctx
}

// refusal is what a refused caller is told: why, in one word, and when to come back. What happened here, such as the last
// error of a dependency, is not for its eyes.
func refusal(ctx context.Context, err error, tell func(metadata.MD) error) error {
	code, ok := refused(ctx, err)
	if !ok {
		return status.Error(codes.Unavailable, "refused")
	}
	policy, ok := err.(*gabion.Error) //nolint:errorlint // as in refused
	if !ok {
		return status.Error(code, code.String())
	}
	st := status.New(code, policy.Policy+": "+policy.Reason.Error())
	after := policy.RetryAfter()
	if after <= 0 {
		return st.Err()
	}
	// It fails when the caller is gone: nobody is left to be told.
	_ = tell(metadata.Pairs(metadataPushback, milliseconds(after)))
	detailed, err := st.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(after)})
	if err != nil { // cannot be: the code is none of success and the message is one that can be encoded
		return st.Err()
	}
	return detailed.Err()
}
