package grpc_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/gabion-io/gabion"
	gabiongrpc "github.com/gabion-io/gabion/adapters/grpc"
	"github.com/gabion-io/gabion/breaker"
	"github.com/gabion-io/gabion/bulkhead"
)

// However a stream ends, its permit is held until then and comes back once.
func TestStreamHoldsItsPermit(t *testing.T) {
	t.Parallel()
	type stream = pb.TestService_FullDuplexCallClient
	cases := map[string]struct {
		bidi func(pb.TestService_FullDuplexCallServer) error
		end  func(t *testing.T, s stream, cancel context.CancelFunc, conn *grpc.ClientConn)
		want gabion.Outcome
	}{
		"end of file": {nil, func(t *testing.T, s stream, _ context.CancelFunc, _ *grpc.ClientConn) {
			s.CloseSend()
			for range 3 { // further calls change nothing
				if _, err := s.Recv(); !errors.Is(err, io.EOF) {
					t.Error(err)
				}
			}
		}, gabion.Success},
		"error of the service": {
			func(s pb.TestService_FullDuplexCallServer) error {
				s.Recv()
				s.Send(&pb.StreamingOutputCallResponse{})
				s.Recv()
				return status.Error(codes.Unavailable, "down")
			}, func(t *testing.T, s stream, _ context.CancelFunc, _ *grpc.ClientConn) {
				s.CloseSend()
				if _, err := s.Recv(); status.Code(err) != codes.Unavailable {
					t.Error(err)
				}
			}, gabion.Failure,
		},
		"bad request": {
			func(s pb.TestService_FullDuplexCallServer) error {
				s.Recv()
				s.Send(&pb.StreamingOutputCallResponse{})
				s.Recv()
				return status.Error(codes.InvalidArgument, "bad")
			}, func(t *testing.T, s stream, _ context.CancelFunc, _ *grpc.ClientConn) {
				s.CloseSend()
				if _, err := s.Recv(); status.Code(err) != codes.InvalidArgument {
					t.Error(err)
				}
			}, gabion.Success,
		},
		"cancelled and never asked again": {nil, func(_ *testing.T, _ stream, cancel context.CancelFunc, _ *grpc.ClientConn) {
			cancel()
		}, gabion.Ignored},
		"cancelled while it waits": {nil, func(t *testing.T, s stream, cancel context.CancelFunc, _ *grpc.ClientConn) {
			cancel()
			if _, err := s.Recv(); status.Code(err) != codes.Canceled {
				t.Error(err)
			}
		}, gabion.Ignored},
		"connection closed and never asked again": {nil, func(_ *testing.T, _ stream, _ context.CancelFunc, conn *grpc.ClientConn) {
			conn.Close()
		}, gabion.Ignored},
		"message too long": {nil, func(t *testing.T, s stream, _ context.CancelFunc, _ *grpc.ClientConn) {
			long := &pb.StreamingOutputCallRequest{Payload: &pb.Payload{Body: make([]byte, 2000)}}
			if err := s.Send(long); status.Code(err) != codes.ResourceExhausted {
				t.Error(err)
			}
		}, gabion.Ignored},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := &gate{}
			client := must(gabiongrpc.NewClient(gabiongrpc.ClientConfig{Pipe: pipe(g)}))
			opts := append(client.DialOptions(), grpc.WithDefaultCallOptions(grpc.MaxCallSendMsgSize(1000)))
			conn := connect(t, serve(t, &service{bidi: c.bidi}), opts...)
			ctx, cancel := context.WithCancel(within(t))
			defer cancel()
			s, err := pb.NewTestServiceClient(conn).FullDuplexCall(ctx)
			if err != nil {
				t.Fatal(err)
			}
			exchange(t, s)
			if g.inside() != 1 || len(g.ended()) != 0 {
				t.Fatalf("an open stream: %d permits are out, %v came back", g.inside(), g.ended())
			}
			c.end(t, s, cancel, conn)
			eventually(t, "the permit comes back", func() bool { return g.inside() == 0 })
			cancel()
			if got := g.ended(); !slices.Equal(got, []gabion.Outcome{c.want}) {
				t.Errorf("the guard was told %v, want %v", got, c.want)
			}
		})
	}
}

// exchange sends a message and takes the answer.
func exchange(t *testing.T, s pb.TestService_FullDuplexCallClient) {
	t.Helper()
	body := []byte("hello")
	if err := s.Send(&pb.StreamingOutputCallRequest{Payload: &pb.Payload{Body: body}}); err != nil {
		t.Fatal(err)
	}
	answer, err := s.Recv()
	if err != nil || answer.GetPayload() != nil && !bytes.Equal(answer.GetPayload().GetBody(), body) {
		t.Fatalf("%v, %v", answer, err)
	}
}

func TestStreamPastItsDeadlineGivesItsPermitBack(t *testing.T) {
	t.Parallel()
	g := &gate{}
	client := through(t, serve(t, &service{}), gabiongrpc.ClientConfig{Pipe: pipe(g)})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := client.FullDuplexCall(ctx); err != nil { // and then nobody asks
		t.Fatal(err)
	}
	eventually(t, "the permit comes back", func() bool { return g.inside() == 0 })
	if got := g.ended(); !slices.Equal(got, []gabion.Outcome{gabion.Failure}) {
		t.Errorf("the guard was told %v, want failure", got)
	}
}

func TestStreamWithOneAnswerEndsWithIt(t *testing.T) {
	t.Parallel()
	g := &gate{}
	client := through(t, serve(t, &service{}), gabiongrpc.ClientConfig{Pipe: pipe(g)})
	s, err := client.StreamingInputCall(within(t))
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if err := s.Send(&pb.StreamingInputCallRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.CloseAndRecv(); err != nil || g.inside() != 0 || !slices.Equal(g.ended(), []gabion.Outcome{gabion.Success}) {
		t.Errorf("%v; %d permits are out, %v came back", err, g.inside(), g.ended())
	}
}

// A bulkhead counts streams for as long as they last; without it, the same is admitted.
func TestBulkheadBoundsStreams(t *testing.T) {
	t.Parallel()
	for _, places := range []int{1, 100} {
		room := must(bulkhead.New(bulkhead.Config{Concurrency: places}))
		client := through(t, serve(t, &service{}), gabiongrpc.ClientConfig{Pipe: pipe(room)})
		first, err := client.FullDuplexCall(within(t))
		if err != nil {
			t.Fatal(err)
		}
		exchange(t, first)
		ctx, cancel := context.WithCancel(within(t))
		_, err = client.FullDuplexCall(ctx)
		if refused := errors.Is(err, bulkhead.ErrFull) && status.Code(err) == codes.Unavailable; refused != (places == 1) {
			t.Errorf("%d places: the second stream got %v", places, err)
		}
		cancel()
		first.CloseSend()
		if _, err := first.Recv(); !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		eventually(t, "the places are free", func() bool { return room.Snapshot().InFlight == 0 })
	}
}

func TestOnlyTheOpeningOfAStreamIsRetried(t *testing.T) {
	t.Parallel()
	g := &gate{}
	closed := through(t, nobody(t), gabiongrpc.ClientConfig{Pipe: pipe(g), Reopen: again()})
	if _, err := closed.FullDuplexCall(within(t)); status.Code(err) != codes.Unavailable || len(g.ended()) != 3 || g.inside() != 0 {
		t.Errorf("%v after %v, want three openings", err, g.ended())
	}
	g = &gate{}
	nested := gabion.WithAttempt(within(t), 2)
	closed = through(t, nobody(t), gabiongrpc.ClientConfig{Pipe: pipe(g), Reopen: again()})
	if _, err := closed.FullDuplexCall(nested); status.Code(err) != codes.Unavailable || len(g.ended()) != 1 {
		t.Errorf("%v after %v, want one opening of what is a retry itself", err, g.ended())
	}
	s := &service{bidi: func(pb.TestService_FullDuplexCallServer) error { return status.Error(codes.Unavailable, "down") }}
	open := through(t, serve(t, s), gabiongrpc.ClientConfig{Pipe: pipe(), Reopen: again()})
	stream, err := open.FullDuplexCall(within(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); status.Code(err) != codes.Unavailable || !slices.Equal(s.seen(), []int{1}) {
		t.Errorf("%v after the tries %v, want one", err, s.seen())
	}
}

// A breaker that waits for the end of streams never learns that a target is well whose streams do not end.
func TestOpeningTellsTheBreakerWhenTheStreamAnswers(t *testing.T) {
	t.Parallel()
	for name, wrap := range map[string]func(gabion.Guard) gabion.Guard{
		"wrapped": gabiongrpc.Opening, "not wrapped": func(g gabion.Guard) gabion.Guard { return g },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fuse := must(breaker.New(breaker.Config{Consecutive: 1, Probes: 1, OpenFor: 10 * time.Millisecond, ProbeLease: time.Hour}))
			s := &service{unary: func(context.Context, int) error { return status.Error(codes.Internal, "down") }}
			client := through(t, serve(t, s), gabiongrpc.ClientConfig{Pipe: pipe(wrap(fuse))})
			if _, err := client.UnaryCall(within(t), &pb.SimpleRequest{}); err == nil || fuse.State() != breaker.Open {
				t.Fatalf("%v and %v, want open", err, fuse.State())
			}
			eventually(t, "a stream is let through", func() bool {
				stream, err := client.FullDuplexCall(within(t))
				if err == nil {
					exchange(t, stream)
				}
				return err == nil
			})
			want := map[string]breaker.State{"wrapped": breaker.Closed, "not wrapped": breaker.HalfOpen}[name]
			if got := fuse.State(); got != want {
				t.Errorf("%v while the stream goes on, want %v", got, want)
			}
		})
	}
}

// A stream whose guard has been told of a success does not tell it of anything else.
func TestOpeningTellsOnce(t *testing.T) {
	t.Parallel()
	g := &gate{}
	client := through(t, serve(t, &service{}), gabiongrpc.ClientConfig{Pipe: pipe(gabiongrpc.Opening(g))})
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	s, err := client.FullDuplexCall(ctx)
	if err != nil {
		t.Fatal(err)
	}
	exchange(t, s)
	exchange(t, s)
	cancel()
	if _, err := s.Recv(); status.Code(err) != codes.Canceled {
		t.Error(err)
	}
	silent, err := client.FullDuplexCall(within(t))
	if err != nil {
		t.Fatal(err)
	}
	silent.CloseSend()
	if _, err := silent.Recv(); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	client.UnaryCall(within(t), &pb.SimpleRequest{}) // no stream
	if got := g.ended(); !slices.Equal(got, []gabion.Outcome{gabion.Success, gabion.Success, gabion.Success}) || g.inside() != 0 {
		t.Errorf("the guard was told %v, and %d are inside", got, g.inside())
	}
}

// Headers are an answer as well.
func TestHeaderIsAnAnswer(t *testing.T) {
	t.Parallel()
	g := &gate{}
	s := &service{bidi: func(s pb.TestService_FullDuplexCallServer) error {
		return errors.Join(s.SendHeader(nil), echo(s))
	}}
	client := through(t, serve(t, s), gabiongrpc.ClientConfig{Pipe: pipe(gabiongrpc.Opening(g))})
	stream, err := client.FullDuplexCall(within(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Header(); err != nil || len(g.ended()) != 1 {
		t.Errorf("%v; the guard was told %v", err, g.ended())
	}
	exchange(t, stream)
}
