package grpc_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/gabion-io/gabion"
	gabiongrpc "github.com/gabion-io/gabion/adapters/grpc"
	"github.com/gabion-io/gabion/breaker"
	"github.com/gabion-io/gabion/bulkhead"
	"github.com/gabion-io/gabion/ratelimit"
)

// guarded serves s behind a server of this configuration, and is a stub without policies for it.
func guarded(t *testing.T, s *service, cfg gabiongrpc.ServerConfig, before ...grpc.ServerOption) pb.TestServiceClient {
	t.Helper()
	server := must(gabiongrpc.NewServer(cfg))
	return pb.NewTestServiceClient(connect(t, serve(t, s, append(before, server.ServerOptions()...)...)))
}

func onceAnHour() gabion.Policy {
	return must(ratelimit.NewRequests(ratelimit.RequestsConfig{
		Name: "secret", Rate: ratelimit.Rate{Count: 1, Per: time.Hour}, Key: gabion.TenantOf,
	}))
}

func TestServerRefusesOverTheLimit(t *testing.T) {
	t.Parallel()
	tenant := func(_ context.Context, _ string, md metadata.MD) string { return strings.Join(md.Get("tenant"), "") }
	s := &service{}
	client := guarded(t, s, gabiongrpc.ServerConfig{Pipe: pipe(onceAnHour()), Tenant: tenant})
	as := func(who string) context.Context { return metadata.AppendToOutgoingContext(within(t), "tenant", who) }
	if _, err := client.UnaryCall(as("a"), &pb.SimpleRequest{}); err != nil {
		t.Fatal(err)
	}
	var trailer metadata.MD
	_, err := client.UnaryCall(as("a"), &pb.SimpleRequest{}, grpc.Trailer(&trailer))
	refusedForAnHour(t, err, trailer)
	stream, err := client.FullDuplexCall(as("a"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = stream.Recv()
	refusedForAnHour(t, err, stream.Trailer())
	if _, err := client.UnaryCall(as("b"), &pb.SimpleRequest{}); err != nil {
		t.Errorf("another tenant: %v", err)
	}
	if len(s.seen()) != 2 {
		t.Errorf("the handler saw %d calls, want 2", len(s.seen()))
	}
}

func refusedForAnHour(t *testing.T, err error, trailer metadata.MD) {
	t.Helper()
	st := status.Convert(err)
	if st.Code() != codes.ResourceExhausted || st.Message() != "ratelimit: over the limit" {
		t.Errorf("got %v", err)
	}
	if ms := trailer.Get("grpc-retry-pushback-ms"); len(ms) != 1 || len(ms[0]) != 7 {
		t.Errorf("pushback %v, want about 3600000", ms)
	}
	if len(st.Details()) != 1 {
		t.Fatalf("details %v", st.Details())
	}
	info, ok := st.Details()[0].(*errdetails.RetryInfo)
	if after := info.GetRetryDelay().AsDuration(); !ok || after > time.Hour || after < 59*time.Minute {
		t.Errorf("RetryInfo says %v, want about an hour", after)
	}
}

func TestServerRefusesWhenFull(t *testing.T) {
	t.Parallel()
	for _, places := range []int{1, 100} { // with 100, the same is admitted
		room := must(bulkhead.New(bulkhead.Config{Concurrency: places}))
		client := guarded(t, &service{}, gabiongrpc.ServerConfig{Pipe: pipe(room)})
		stream, err := client.FullDuplexCall(within(t))
		if err != nil {
			t.Fatal(err)
		}
		exchange(t, stream)
		var trailer metadata.MD
		_, err = client.UnaryCall(within(t), &pb.SimpleRequest{}, grpc.Trailer(&trailer))
		if places == 1 && (status.Code(err) != codes.Unavailable || status.Convert(err).Message() != "bulkhead: full") {
			t.Errorf("while a stream is open: %v", err)
		}
		if places == 100 && err != nil || len(trailer.Get("grpc-retry-pushback-ms")) != 0 {
			t.Errorf("%v, trailer %v", err, trailer)
		}
		stream.CloseSend()
		if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		eventually(t, "the place is free", func() bool { return room.Snapshot().InFlight == 0 })
		if _, err := client.UnaryCall(within(t), &pb.SimpleRequest{}); err != nil {
			t.Errorf("after the stream: %v", err)
		}
	}
}

// What a guard knows of dependencies is not for callers.
func TestRefusalsTellNoSecrets(t *testing.T) {
	t.Parallel()
	fuse := must(breaker.New(breaker.Config{Name: "catalog-db", Consecutive: 1, OpenFor: time.Hour}))
	s := &service{unary: func(context.Context, int) error { return errors.New("password of catalog-db is wrong") }}
	client := guarded(t, s, gabiongrpc.ServerConfig{Pipe: pipe(fuse)})
	client.UnaryCall(within(t), &pb.SimpleRequest{}) // which is what opens the breaker
	_, err := client.UnaryCall(within(t), &pb.SimpleRequest{})
	if st := status.Convert(err); st.Code() != codes.Unavailable || st.Message() != "breaker: open" {
		t.Errorf("got %v", err)
	}
}

func TestWhatIsKnownOfACallIsInItsContext(t *testing.T) {
	t.Parallel()
	type known struct {
		attempt  int
		priority gabion.Priority
		tenant   string
	}
	var got []known
	note := func(ctx context.Context) {
		got = append(got, known{gabion.AttemptOf(ctx), gabion.PriorityOf(ctx), gabion.TenantOf(ctx)})
	}
	s := &service{
		unary: func(ctx context.Context, _ int) error { note(ctx); return nil },
		bidi:  func(s pb.TestService_FullDuplexCallServer) error { note(s.Context()); return nil },
	}
	client := guarded(t, s, gabiongrpc.ServerConfig{
		Pipe:     pipe(),
		Priority: func(context.Context, string, metadata.MD) gabion.Priority { return gabion.Critical },
		Tenant:   func(_ context.Context, method string, _ metadata.MD) string { return method },
	})
	for _, attempt := range []string{"2", "-1", "many", "100000000000000000000"} {
		ctx := metadata.AppendToOutgoingContext(within(t), "x-gabion-attempt", attempt)
		if _, err := client.UnaryCall(ctx, &pb.SimpleRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	stream, err := client.FullDuplexCall(metadata.AppendToOutgoingContext(within(t), "x-gabion-attempt", "3"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	const method = "/grpc.testing.TestService/UnaryCall"
	plain := known{1, gabion.Critical, method}
	want := []known{{2, gabion.Critical, method}, plain, plain, plain, {3, gabion.Critical, "/grpc.testing.TestService/FullDuplexCall"}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// A server that refuses everything still says how it is.
func TestHealthIsExempt(t *testing.T) {
	t.Parallel()
	limit := onceAnHour()
	server := must(gabiongrpc.NewServer(gabiongrpc.ServerConfig{Pipe: pipe(limit)}))
	strict := must(gabiongrpc.NewServer(gabiongrpc.ServerConfig{Pipe: pipe(limit), Exempt: func(string) bool { return false }}))
	for _, c := range []struct {
		server *gabiongrpc.Server
		want   codes.Code
	}{{server, codes.OK}, {strict, codes.ResourceExhausted}} {
		s := grpc.NewServer(c.server.ServerOptions()...)
		healthpb.RegisterHealthServer(s, health.NewServer())
		stub := healthpb.NewHealthClient(connect(t, listen(t, s)))
		for range 2 {
			_, err := stub.Check(within(t), &healthpb.HealthCheckRequest{})
			stream, err2 := stub.Watch(within(t), &healthpb.HealthCheckRequest{})
			if err2 == nil {
				_, err2 = stream.Recv()
			}
			if c.want == codes.OK && errors.Join(err, err2) != nil || c.want != codes.OK && status.Code(err2) != c.want {
				t.Errorf("want %v: %v, %v", c.want, err, err2)
			}
		}
	}
}

func TestServerKeys(t *testing.T) {
	t.Parallel()
	perMethod := must(gabion.New(gabion.Config{PerKey: func(string) ([]gabion.Policy, error) { return []gabion.Policy{onceAnHour()}, nil }}))
	key := func(_ context.Context, method string) string { return method }
	client := guarded(t, &service{}, gabiongrpc.ServerConfig{Pipe: perMethod, Key: key})
	if _, err := client.UnaryCall(within(t), &pb.SimpleRequest{}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.UnaryCall(within(t), &pb.SimpleRequest{}); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("the second call of a method: %v", err)
	}
	stream, err := client.FullDuplexCall(within(t))
	if err != nil {
		t.Fatal(err)
	}
	exchange(t, stream)
	broken := guarded(t, &service{}, gabiongrpc.ServerConfig{Pipe: pipe(), Key: key})
	if _, err := broken.UnaryCall(within(t), &pb.SimpleRequest{}); status.Code(err) != codes.Internal {
		t.Errorf("without PerKey: %v", err)
	}
}

// A caller that goes away while its call waits for a place is no failure of anybody.
func TestCallerGoneWhileWaiting(t *testing.T) {
	t.Parallel()
	room := must(bulkhead.New(bulkhead.Config{Concurrency: 1, Queue: 10, Wait: patience}))
	client := guarded(t, &service{}, gabiongrpc.ServerConfig{Pipe: pipe(room)})
	stream, err := client.FullDuplexCall(within(t))
	if err != nil {
		t.Fatal(err)
	}
	exchange(t, stream)
	ctx, cancel := context.WithCancel(within(t))
	ended := make(chan error)
	go func() {
		_, err := client.UnaryCall(ctx, &pb.SimpleRequest{})
		ended <- err
	}()
	eventually(t, "the call waits", func() bool { return room.Snapshot().Queued == 1 })
	cancel()
	if err := <-ended; status.Code(err) != codes.Canceled {
		t.Error(err)
	}
	eventually(t, "the call left the queue", func() bool { return room.Snapshot().Queued == 0 })
}
