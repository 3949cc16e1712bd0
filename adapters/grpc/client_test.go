package grpc_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/gabion-io/gabion"
	gabiongrpc "github.com/gabion-io/gabion/adapters/grpc"
	"github.com/gabion-io/gabion/breaker"
	"github.com/gabion-io/gabion/fallback"
	"github.com/gabion-io/gabion/fault"
	"github.com/gabion-io/gabion/hedge"
	"github.com/gabion-io/gabion/ratelimit"
	"github.com/gabion-io/gabion/retry"
	"github.com/gabion-io/gabion/timeout"
)

func TestCodes(t *testing.T) {
	want := map[codes.Code]gabion.Outcome{
		codes.Canceled: gabion.Failure, codes.Unknown: gabion.Failure, codes.DeadlineExceeded: gabion.Failure,
		codes.Internal: gabion.Failure, codes.Unavailable: gabion.Failure, codes.DataLoss: gabion.Failure, 42: gabion.Failure,
	} // all others say that the service works
	for code := range codes.Code(17) {
		t.Run(code.String(), func(t *testing.T) {
			s := &service{unary: func(context.Context, int) error { return status.Error(code, "as the test says") }}
			g := &gate{}
			client := through(t, serve(t, s), gabiongrpc.ClientConfig{Pipe: pipe(g)})
			_, err := client.UnaryCall(within(t), &pb.SimpleRequest{})
			if status.Code(err) != code || code != codes.OK && status.Convert(err).Message() != "as the test says" {
				t.Errorf("got %v", err)
			}
			if got := g.ended(); !slices.Equal(got, []gabion.Outcome{want[code]}) {
				t.Errorf("the guard was told %v, want %v", got, want[code])
			}
		})
	}
	if got := gabiongrpc.Classify(nil, status.Error(42, "")); got != gabion.Failure {
		t.Errorf("a code that nobody knows is a %v", got)
	}
}

func TestAnsweredUnavailableIsRetried(t *testing.T) {
	t.Parallel()
	s := &service{unary: func(_ context.Context, call int) error {
		if call < 3 {
			return status.Error(codes.Unavailable, "not yet")
		}
		return nil
	}}
	client := through(t, serve(t, s), gabiongrpc.ClientConfig{Pipe: pipe(again())})
	answer, err := client.UnaryCall(within(t), &pb.SimpleRequest{Payload: &pb.Payload{Body: []byte("hello")}})
	if err != nil || string(answer.GetPayload().GetBody()) != "hello" {
		t.Fatalf("%v, %v", answer, err)
	}
	if got := s.seen(); !slices.Equal(got, []int{1, 2, 3}) {
		t.Errorf("tries %v, want 1, 2, 3", got)
	}
}

// The negative twin of the test above.
func TestWithoutRetryNothingIsRetried(t *testing.T) {
	t.Parallel()
	s := &service{unary: func(context.Context, int) error { return status.Error(codes.Unavailable, "not yet") }}
	client := through(t, serve(t, s), gabiongrpc.ClientConfig{Pipe: pipe()})
	if _, err := client.UnaryCall(within(t), &pb.SimpleRequest{}); status.Code(err) != codes.Unavailable || len(s.seen()) != 1 {
		t.Errorf("%v after %v", err, s.seen())
	}
}

func TestWhatIsRetried(t *testing.T) {
	t.Parallel()
	info := func(code codes.Code, d time.Duration) error {
		st := must(status.New(code, "").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(d)}))
		return st.Err()
	}
	cases := map[string]struct {
		err      error
		pushback []string
		calls    int
		least    time.Duration
	}{
		"INTERNAL":                             {err: status.Error(codes.Internal, ""), calls: 1},
		"DEADLINE_EXCEEDED of the service":     {err: status.Error(codes.DeadlineExceeded, ""), calls: 1},
		"UNAVAILABLE":                          {err: status.Error(codes.Unavailable, ""), calls: 3},
		"UNAVAILABLE with pushback":            {err: status.Error(codes.Unavailable, ""), pushback: []string{"30"}, calls: 3, least: 60 * time.Millisecond},
		"UNAVAILABLE, retry forbidden":         {err: status.Error(codes.Unavailable, ""), pushback: []string{"-1"}, calls: 1},
		"UNAVAILABLE, pushback unreadable":     {err: status.Error(codes.Unavailable, ""), pushback: []string{"soon"}, calls: 1},
		"UNAVAILABLE, two pushbacks":           {err: status.Error(codes.Unavailable, ""), pushback: []string{"1", "2"}, calls: 1},
		"UNAVAILABLE with RetryInfo":           {err: info(codes.Unavailable, 30*time.Millisecond), calls: 3, least: 60 * time.Millisecond},
		"UNAVAILABLE, RetryInfo in the past":   {err: info(codes.Unavailable, -time.Hour), calls: 3},
		"RESOURCE_EXHAUSTED":                   {err: status.Error(codes.ResourceExhausted, ""), calls: 1},
		"RESOURCE_EXHAUSTED with pushback":     {err: status.Error(codes.ResourceExhausted, ""), pushback: []string{"30"}, calls: 3, least: 60 * time.Millisecond},
		"RESOURCE_EXHAUSTED with RetryInfo":    {err: info(codes.ResourceExhausted, 30*time.Millisecond), calls: 3, least: 60 * time.Millisecond},
		"RESOURCE_EXHAUSTED, retry forbidden":  {err: info(codes.ResourceExhausted, time.Millisecond), pushback: []string{"-1"}, calls: 1},
		"pushback longer than the deadline":    {err: status.Error(codes.Unavailable, ""), pushback: []string{"3600000"}, calls: 1},
		"FAILED_PRECONDITION with a RetryInfo": {err: info(codes.FailedPrecondition, time.Millisecond), calls: 1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &service{unary: func(ctx context.Context, _ int) error {
				for _, value := range c.pushback {
					grpc.SetTrailer(ctx, metadata.Pairs("grpc-retry-pushback-ms", value))
				}
				return c.err
			}}
			client := through(t, serve(t, s), gabiongrpc.ClientConfig{Pipe: pipe(again(), gabiongrpc.Pushback())})
			began := time.Now()
			_, err := client.UnaryCall(within(t), &pb.SimpleRequest{})
			if status.Code(err) != status.Code(c.err) {
				t.Errorf("got %v, want the code of %v", err, c.err)
			}
			if took := time.Since(began); len(s.seen()) != c.calls || took < c.least {
				t.Errorf("%d calls within %v, want %d and at least %v", len(s.seen()), took, c.calls, c.least)
			}
		})
	}
}

// cutter is a service of which only the network is there: it takes requests and breaks the connection.
func cutter(t *testing.T) (address string, connections *atomic.Int64) {
	t.Helper()
	// A real server behind a proxy that hands on the request and cuts when the answer comes.
	reached := make(chan struct{}, 100)
	hold := make(chan struct{})
	s := &service{unary: func(ctx context.Context, _ int) error {
		reached <- struct{}{}
		select {
		case <-hold:
		case <-ctx.Done():
		}
		return nil
	}}
	target := serve(t, s)
	t.Cleanup(func() { close(hold) })
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	connections = &atomic.Int64{}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			behind, err := net.Dial("tcp", target)
			if err != nil {
				conn.Close()
				return
			}
			go func() { io.Copy(behind, conn); behind.Close() }()
			go func() { io.Copy(conn, behind); conn.Close() }()
			<-reached
			conn.Close()
			behind.Close()
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		select { // a connection that nobody sent anything on
		case reached <- struct{}{}:
		default:
		}
		<-ended
	})
	return listener.Addr().String(), connections
}

func TestBrokenConnectionIsRetriedOnlyWhenRepeatable(t *testing.T) {
	t.Parallel()
	for _, repeatable := range []bool{false, true} {
		t.Run(fmt.Sprint(repeatable), func(t *testing.T) {
			t.Parallel()
			address, connections := cutter(t)
			cfg := gabiongrpc.ClientConfig{Pipe: pipe(again())}
			want := int64(1)
			if repeatable {
				cfg.Repeatable = func(method string) bool { return method == "/grpc.testing.TestService/UnaryCall" }
				want = 3
			}
			_, err := through(t, address, cfg).UnaryCall(within(t), &pb.SimpleRequest{}, grpc.WaitForReady(true))
			if status.Code(err) != codes.Unavailable {
				t.Errorf("got %v", err)
			}
			if got := connections.Load(); got < want || !repeatable && got > 2 { // gRPC connects again by itself
				t.Errorf("%d connections, want %d", got, want)
			}
			if !repeatable && errors.Is(err, retry.ErrAttempts) {
				t.Errorf("it was retried: %v", err)
			}
			if repeatable && !errors.Is(err, retry.ErrAttempts) {
				t.Errorf("it was not retried: %v", err)
			}
		})
	}
}

func TestNothingSentIsRetried(t *testing.T) {
	t.Parallel()
	client := through(t, nobody(t), gabiongrpc.ClientConfig{Pipe: pipe(again())})
	_, err := client.UnaryCall(within(t), &pb.SimpleRequest{})
	if status.Code(err) != codes.Unavailable || !errors.Is(err, retry.ErrAttempts) {
		t.Errorf("got %v, want UNAVAILABLE after all attempts", err)
	}
}

func TestRefusalsHaveCodes(t *testing.T) {
	t.Parallel()
	down := func(context.Context, int) error { return status.Error(codes.Internal, "down") }
	hang := func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() }
	short := must(timeout.New(timeout.Config{Attempt: 20 * time.Millisecond}))
	cases := map[string]struct {
		policies []gabion.Policy
		unary    func(context.Context, int) error
		code     codes.Code
		is       error
	}{
		"breaker": {[]gabion.Policy{must(breaker.New(breaker.Config{Consecutive: 1}))}, down, codes.Unavailable, breaker.ErrOpen},
		"breaker after timeouts": {
			[]gabion.Policy{must(breaker.New(breaker.Config{Consecutive: 1})), short}, hang, codes.Unavailable, breaker.ErrOpen,
		},
		"limit": {
			[]gabion.Policy{must(ratelimit.NewRequests(ratelimit.RequestsConfig{Rate: ratelimit.Rate{Count: 1, Per: time.Hour}}))},
			nil, codes.ResourceExhausted, ratelimit.ErrLimited,
		},
		"timeout": {[]gabion.Policy{short}, hang, codes.DeadlineExceeded, timeout.ErrExceeded},
		"fallback that cannot": {
			[]gabion.Policy{
				must(fallback.New(fallback.Config{}, fallback.Func("none", func(context.Context, error) (any, error) { return nil, errors.New("no") }))),
				must(breaker.New(breaker.Config{Consecutive: 1})),
			}, down, codes.Unavailable, fallback.ErrExhausted,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := through(t, serve(t, &service{unary: c.unary}), gabiongrpc.ClientConfig{Pipe: pipe(c.policies...)})
			client.UnaryCall(within(t), &pb.SimpleRequest{}) // which is what opens the breaker and uses up the limit
			_, err := client.UnaryCall(within(t), &pb.SimpleRequest{})
			if status.Code(err) != c.code || !errors.Is(err, c.is) {
				t.Errorf("got %v: %v, want %v", status.Code(err), err, c.code)
			}
		})
	}
}

func TestDeadlineTravels(t *testing.T) {
	t.Parallel()
	var left time.Duration
	s := &service{unary: func(ctx context.Context, _ int) error {
		if deadline, ok := ctx.Deadline(); ok {
			left = time.Until(deadline)
		}
		return nil
	}}
	bound := must(timeout.New(timeout.Config{Total: patience, Attempt: gabion.Off}))
	client := through(t, serve(t, s), gabiongrpc.ClientConfig{Pipe: pipe(bound)})
	if _, err := client.UnaryCall(context.Background(), &pb.SimpleRequest{}); err != nil || left <= 0 || left > patience {
		t.Errorf("the service has %v left: %v", left, err)
	}
}

func TestFallbackAnswers(t *testing.T) {
	t.Parallel()
	s := &service{unary: func(context.Context, int) error { return status.Error(codes.Internal, "down") }}
	address := serve(t, s)
	spare := func(v any) gabiongrpc.ClientConfig {
		return gabiongrpc.ClientConfig{Pipe: pipe(must(fallback.New(fallback.Config{}, fallback.Value("spare", v))))}
	}
	kept := &pb.SimpleResponse{Username: "spare"}
	client := through(t, address, spare(kept))
	for range 2 {
		answer, err := client.UnaryCall(within(t), &pb.SimpleRequest{})
		if err != nil || answer.GetUsername() != "spare" {
			t.Fatalf("%v, %v", answer, err)
		}
		answer.Username = "changed" // by its caller, whom the kept one does not belong to
	}
	for _, wrong := range []any{nil, 42, &pb.Empty{}, (*pb.SimpleResponse)(nil)} {
		_, err := through(t, address, spare(wrong)).UnaryCall(within(t), &pb.SimpleRequest{})
		if status.Code(err) != codes.Internal {
			t.Errorf("%T: %v", wrong, err)
		}
	}
}

// The message may hold something before, and need not be one of protobuf.
func TestFallbackFillsTheMessage(t *testing.T) {
	t.Parallel()
	type plain struct{ a, b int }
	conn := connect(t, nobody(t))
	fail := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
		return status.Error(codes.Unavailable, "down")
	}
	call := func(reply, spare any) {
		p := pipe(must(fallback.New(fallback.Config{}, fallback.Value("spare", spare))))
		client := must(gabiongrpc.NewClient(gabiongrpc.ClientConfig{Pipe: p}))
		if err := client.Unary(within(t), "/a/b", nil, reply, conn, fail); err != nil {
			t.Error(err)
		}
	}
	message := &pb.SimpleResponse{Username: "old", Hostname: "old"}
	call(message, &pb.SimpleResponse{Username: "spare"})
	if message.GetUsername() != "spare" || message.GetHostname() != "" {
		t.Errorf("got %v", message)
	}
	other := &plain{1, 2}
	call(other, &plain{3, 0})
	if *other != (plain{3, 0}) {
		t.Errorf("got %v", *other)
	}
}

func TestOneBadTargetDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	cfg := func(key func(string, string) string) gabiongrpc.ClientConfig {
		one := func(string) ([]gabion.Policy, error) {
			return []gabion.Policy{must(breaker.New(breaker.Config{Consecutive: 1}))}, nil
		}
		p := must(gabion.New(gabion.Config{Classify: gabiongrpc.Classify, Policies: must(one("")), PerKey: one}))
		return gabiongrpc.ClientConfig{Pipe: p, Key: key}
	}
	good := serve(t, &service{})
	for name, c := range map[string]struct {
		key  func(string, string) string
		want codes.Code
	}{"by target": {gabiongrpc.ByTarget, codes.OK}, "by method": {gabiongrpc.ByMethod, codes.OK}, "one for all": {nil, codes.Unavailable}} {
		t.Run(name, func(t *testing.T) {
			client := must(gabiongrpc.NewClient(cfg(c.key)))
			bad := pb.NewTestServiceClient(connect(t, nobody(t), client.DialOptions()...))
			well := pb.NewTestServiceClient(connect(t, good, client.DialOptions()...))
			if _, err := bad.UnaryCall(within(t), &pb.SimpleRequest{}); status.Code(err) != codes.Unavailable {
				t.Fatal(err)
			}
			if _, err := well.UnaryCall(within(t), &pb.SimpleRequest{}); status.Code(err) != c.want {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
	noKeys := through(t, good, gabiongrpc.ClientConfig{Pipe: pipe(), Key: gabiongrpc.ByTarget})
	if _, err := noKeys.UnaryCall(within(t), &pb.SimpleRequest{}); status.Code(err) != codes.Internal {
		t.Errorf("without PerKey: %v", err)
	}
	if _, err := noKeys.FullDuplexCall(within(t)); status.Code(err) != codes.Internal {
		t.Errorf("without PerKey: %v", err)
	}
}

// A target that goes away and comes back, with everything as it is by default.
func TestDefaults(t *testing.T) {
	t.Parallel()
	events := make(chan gabion.Event, 1000)
	s := &service{unary: func(_ context.Context, call int) error {
		if call == 1 {
			return status.Error(codes.Unavailable, "starting")
		}
		return nil
	}}
	client := through(t, serve(t, s), gabiongrpc.ClientConfig{Name: "shop", Observer: gabion.ObserverFunc(func(e gabion.Event) { events <- e })})
	if _, err := client.UnaryCall(within(t), &pb.SimpleRequest{}); err != nil {
		t.Fatal(err)
	}
	stream, err := client.FullDuplexCall(within(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(stream.Send(&pb.StreamingOutputCallRequest{}), stream.CloseSend()); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	close(events)
	var kinds []gabion.EventKind
	for e := range events {
		if e.Name != "shop" {
			t.Errorf("event of %q", e.Name)
		}
		kinds = append(kinds, e.Kind)
	}
	if !slices.Equal(kinds, []gabion.EventKind{gabion.EventRetry, gabion.EventCall, gabion.EventCall}) {
		t.Errorf("events %v", kinds)
	}
}

func TestImpossibleConfigurations(t *testing.T) {
	t.Parallel()
	racing := pipe(must(hedge.New(hedge.Config{})))
	for want, cfg := range map[string]gabiongrpc.ClientConfig{
		"pipe hedges: two answers cannot be decoded into one message":   {Pipe: racing},
		"retry_codes has OK, which is no error":                         {RetryCodes: []codes.Code{codes.OK}},
		"streams is set, but pipe is not: set both":                     {Streams: pipe()},
		"observer is set, but so is pipe: set the observer of the pipe": {Pipe: pipe(), Observer: gabion.ObserverFunc(func(gabion.Event) {})},
		"name is set, but so is pipe: set the name of the pipe":         {Pipe: pipe(), Name: "shop"},
	} {
		if _, err := gabiongrpc.NewClient(cfg); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, err := gabiongrpc.NewServer(gabiongrpc.ServerConfig{}); err == nil || err.Error() != "pipe is nil, must be a pipe of guards" {
		t.Error(err)
	}
	var none *breaker.Breaker
	if _, err := gabion.New(gabion.Config{Policies: []gabion.Policy{gabiongrpc.Opening(none)}}); err == nil {
		t.Error("a breaker that is nil made a pipe")
	}
}

// A fault stands in for the network: what it makes is no status, and still the caller gets one.
func TestInjectedFaults(t *testing.T) {
	t.Parallel()
	place := must(fault.New(fault.Config{}))
	if _, err := place.Inject(fault.Rule{Kind: fault.Reset, First: 1}); err != nil {
		t.Fatal(err)
	}
	client := through(t, serve(t, &service{}), gabiongrpc.ClientConfig{Pipe: pipe(place)})
	_, err := client.UnaryCall(within(t), &pb.SimpleRequest{})
	if status.Code(err) != codes.Unavailable || !errors.Is(err, fault.ErrInjected) {
		t.Errorf("got %v: %v", status.Code(err), err)
	}
	if _, err := client.UnaryCall(within(t), &pb.SimpleRequest{}); err != nil {
		t.Errorf("after the fault: %v", err)
	}
}
