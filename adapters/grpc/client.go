package grpc

import (
	"context"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/gabion-io/gabion"
)

// Client puts the calls and streams of connections through policies. It is safe for concurrent use, and may serve several
// connections. Make it with [NewClient].
type Client struct{ config ClientConfig }

// NewClient makes a client. It fails with what [ClientConfig.Validate] says.
func NewClient(cfg ClientConfig) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Client{cfg}, nil
}

// DialOptions are for grpc.NewClient: both interceptors, after those that are given before.
func (c *Client) DialOptions() []grpc.DialOption {
	return []grpc.DialOption{grpc.WithChainUnaryInterceptor(c.Unary), grpc.WithChainStreamInterceptor(c.Stream)}
}

// Unary is a grpc.UnaryClientInterceptor.
func (c *Client) Unary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	pipe, err := c.pipe(c.config.Pipe, cc, method)
	if err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	value, err := gabion.Do(ctx, pipe, func(ctx context.Context) (any, error) {
		var trailer metadata.MD
		var to peer.Peer // stays empty when nothing was sent to anybody
		opts := append(slices.Clip(opts), grpc.Trailer(&trailer), grpc.Peer(&to))
		err := invoke(numbered(ctx), method, req, reply, cc, opts...)
		if err == nil {
			return reply, nil
		}
		return nil, c.failed(cc, method, err, to.Addr != nil, trailer)
	})
	if err != nil {
		tellCaller(ctx, err)
		return withStatus(ctx, err)
	}
	return fill(reply, value)
}

// pipe is the pipe for a call, of all those in p.
func (c *Client) pipe(p *gabion.Pipe, cc *grpc.ClientConn, method string) (*gabion.Pipe, error) {
	return pipeFor(p, c.config.Key != nil, func() string { return c.config.Key(cc.Target(), method) })
}

// failed is what policies see of an error. sent says whether anything may have reached a server. A trailer came from it: then
// it has answered itself, and what it says about the call is true.
func (c *Client) failed(cc *grpc.ClientConn, method string, err error, sent bool, trailer metadata.MD) *failure {
	st := status.Convert(err)
	push := pushbackOf(trailer, st)
	wanted := slices.Contains(c.config.RetryCodes, st.Code()) || st.Code() == codes.ResourceExhausted && push.said
	return &failure{
		error: err, after: push.after, final: push.never,
		again:  wanted && !push.never && (!sent || len(trailer) > 0 || c.config.Repeatable(method)),
		closed: st.Code() == codes.Canceled && cc.GetState() == connectivity.Shutdown,
	}
}
