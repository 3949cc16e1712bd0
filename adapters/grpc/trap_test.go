package grpc_test

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/gabion-io/gabion"
	gabiongrpc "github.com/gabion-io/gabion/adapters/grpc"
	"github.com/gabion-io/gabion/breaker"
)

// The traps are mistakes that reliability libraries in use are known for.

func TestTrap01PanicGivesThePermitBack(t *testing.T) {
	t.Parallel()
	unwinds(t, func() { panic("on purpose") })
}

func TestTrap02GoexitGivesThePermitBack(t *testing.T) {
	t.Parallel()
	unwinds(t, runtime.Goexit)
}

// unwinds runs calls and streams that leave in this way, on both sides.
func unwinds(t *testing.T, leave func()) {
	t.Helper()
	const method = "/grpc.testing.TestService/Any"
	conn := connect(t, serve(t, &service{}))
	ctx := within(t)
	g := &gate{}
	client := must(gabiongrpc.NewClient(gabiongrpc.ClientConfig{Pipe: pipe(g)}))
	server := must(gabiongrpc.NewServer(gabiongrpc.ServerConfig{Pipe: pipe(g)}))
	desc := &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}
	open := func(stream grpc.ClientStream) grpc.ClientStream {
		return must(client.Stream(ctx, desc, conn, method, func(context.Context, *grpc.StreamDesc, *grpc.ClientConn, string, ...grpc.CallOption) (grpc.ClientStream, error) {
			return stream, nil
		}))
	}
	for _, call := range []func(){
		func() {
			client.Unary(ctx, method, nil, &pb.Empty{}, conn, func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
				leave()
				return nil
			})
		},
		func() {
			client.Stream(ctx, desc, conn, method, func(context.Context, *grpc.StreamDesc, *grpc.ClientConn, string, ...grpc.CallOption) (grpc.ClientStream, error) {
				leave()
				return nil, nil
			})
		},
		func() { open(leaving{leave: leave}).SendMsg(&pb.Empty{}) },
		func() { open(leaving{leave: leave}).RecvMsg(&pb.Empty{}) },
		func() {
			server.Unary(ctx, nil, &grpc.UnaryServerInfo{FullMethod: method}, func(context.Context, any) (any, error) {
				leave()
				return nil, nil
			})
		},
		func() {
			server.Stream(nil, serverSide{ctx: ctx}, &grpc.StreamServerInfo{FullMethod: method}, func(any, grpc.ServerStream) error {
				leave()
				return nil
			})
		},
	} {
		before := len(g.ended())
		var wait sync.WaitGroup
		wait.Go(func() {
			defer func() { recover() }()
			call()
			t.Error("it returned")
		})
		wait.Wait()
		if got := g.ended()[before:]; g.inside() != 0 || !slices.Equal(got, []gabion.Outcome{gabion.Failure}) {
			t.Errorf("%d permits are out, the guard was told %v", g.inside(), got)
		}
	}
}

// leaving is a stream that does not return.
type leaving struct {
	grpc.ClientStream
	leave func()
}

func (l leaving) SendMsg(any) error { l.leave(); return nil }
func (l leaving) RecvMsg(any) error { l.leave(); return nil }

type serverSide struct {
	grpc.ServerStream
	ctx context.Context
}

func (s serverSide) Context() context.Context { return s.ctx }

func TestTrap05CancelledByTheCallerIsNoFailure(t *testing.T) {
	t.Parallel()
	for _, who := range []string{"caller", "service"} { // the negative twin: a service that cancels by itself
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			reached := make(chan struct{}, 100)
			s := &service{
				unary: func(ctx context.Context, _ int) error {
					reached <- struct{}{}
					if who == "caller" {
						<-ctx.Done()
					}
					return status.Error(codes.Canceled, "")
				},
			}
			fuse := must(breaker.New(breaker.Config{Consecutive: 3, OpenFor: time.Hour}))
			client := through(t, serve(t, s), gabiongrpc.ClientConfig{Pipe: pipe(fuse)})
			for range 3 {
				ctx, cancel := context.WithCancel(within(t))
				ended := make(chan error)
				go func() {
					_, err := client.UnaryCall(ctx, &pb.SimpleRequest{})
					ended <- err
				}()
				<-reached
				if who == "caller" {
					cancel()
				}
				if err := <-ended; status.Code(err) != codes.Canceled {
					t.Error(err)
				}
				cancel()
			}
			want := map[string]breaker.State{"caller": breaker.Closed, "service": breaker.Open}[who]
			if got := fuse.State(); got != want {
				t.Errorf("%v, want %v", got, want)
			}
		})
	}
}

// Three layers, each of which makes three tries.
func TestTrap13RetriesOfLayersDoNotMultiply(t *testing.T) {
	t.Parallel()
	server := must(gabiongrpc.NewServer(gabiongrpc.ServerConfig{Pipe: pipe()}))
	numbers := grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		md, _ := metadata.FromIncomingContext(ctx)
		return handle(gabion.WithAttempt(ctx, gabiongrpc.AttemptOf(md)), req)
	})
	same := func(err error) error { return err }
	own := func(err error) error { return status.Error(status.Code(err), "the next one is down") }
	for name, c := range map[string]struct {
		opts  []grpc.ServerOption
		fails func(error) error
		want  []int // the tries that the bottom sees
	}{
		"with the error of the call":      {server.ServerOptions(), same, []int{1, 2, 3}},
		"with errors of the handlers":     {server.ServerOptions(), own, []int{1, 2, 3}},
		"the number of the try alone":     {[]grpc.ServerOption{numbers}, own, []int{1, 2, 3, 2, 3, 2, 3}},
		"none knows of any other: a twin": {nil, own, slices.Repeat([]int{1, 2, 3}, 9)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bottom := &service{unary: func(context.Context, int) error { return status.Error(codes.Unavailable, "down") }}
			address := serve(t, bottom)
			for range 2 {
				next := through(t, address, gabiongrpc.ClientConfig{Pipe: pipe(again())})
				address = serve(t, &service{unary: func(ctx context.Context, _ int) error {
					_, err := next.UnaryCall(ctx, &pb.SimpleRequest{})
					return c.fails(err)
				}}, c.opts...)
			}
			_, err := through(t, address, gabiongrpc.ClientConfig{Pipe: pipe(again())}).UnaryCall(within(t), &pb.SimpleRequest{})
			if got := bottom.seen(); status.Code(err) != codes.Unavailable || !slices.Equal(got, c.want) {
				t.Errorf("%v after the tries %v at the bottom, want %v", err, got, c.want)
			}
		})
	}
}

func TestTrap28NoTypedNil(t *testing.T) {
	t.Parallel()
	server := must(gabiongrpc.NewServer(gabiongrpc.ServerConfig{Pipe: pipe()}))
	address := serve(t, &service{}, server.ServerOptions()...)
	client := through(t, address, gabiongrpc.ClientConfig{Pipe: pipe(again())})
	if _, err := client.UnaryCall(within(t), &pb.SimpleRequest{}); err != nil {
		t.Errorf("a call that succeeded has the error %#v", err)
	}
	if _, err := client.FullDuplexCall(within(t)); err != nil {
		t.Errorf("a stream that was opened has the error %#v", err)
	}
}

func TestTrap30LimitedIsNotDown(t *testing.T) {
	t.Parallel()
	for code, want := range map[codes.Code]breaker.State{codes.ResourceExhausted: breaker.Closed, codes.Unavailable: breaker.Open} {
		s := &service{unary: func(context.Context, int) error { return status.Error(code, "slow down") }}
		fuse := must(breaker.New(breaker.Config{Consecutive: 3, OpenFor: time.Hour}))
		client := through(t, serve(t, s), gabiongrpc.ClientConfig{Pipe: pipe(gabiongrpc.Pushback(), fuse)})
		for range 10 {
			client.UnaryCall(within(t), &pb.SimpleRequest{})
		}
		if got := fuse.State(); got != want {
			t.Errorf("%v after ten times %v, want %v", got, code, want)
		}
	}
}
