package grpc_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"

	"github.com/gabion-io/gabion"
	gabiongrpc "github.com/gabion-io/gabion/adapters/grpc"
	"github.com/gabion-io/gabion/retry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is for machines that are slow and busy.
const patience = 20 * time.Second

// service is a gRPC service that does what the test says. It writes down which try each call says it is.
type service struct {
	pb.UnimplementedTestServiceServer
	unary func(ctx context.Context, call int) error
	bidi  func(pb.TestService_FullDuplexCallServer) error

	mu       sync.Mutex
	attempts []int
}

// seen are the numbers of the tries that came.
func (s *service) seen() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]int{}, s.attempts...)
}

func (s *service) note(ctx context.Context) int {
	md, _ := metadata.FromIncomingContext(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempts = append(s.attempts, gabiongrpc.AttemptOf(md))
	return len(s.attempts)
}

func (s *service) UnaryCall(ctx context.Context, in *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	call := s.note(ctx)
	if s.unary != nil {
		if err := s.unary(ctx, call); err != nil {
			return nil, err
		}
	}
	return &pb.SimpleResponse{Payload: in.GetPayload()}, nil
}

func (s *service) FullDuplexCall(stream pb.TestService_FullDuplexCallServer) error {
	s.note(stream.Context())
	if s.bidi != nil {
		return s.bidi(stream)
	}
	return echo(stream)
}

// echo answers each message before the next one is sent.
func echo(stream pb.TestService_FullDuplexCallServer) error {
	for {
		in, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(&pb.StreamingOutputCallResponse{Payload: in.GetPayload()}); err != nil {
			return err
		}
	}
}

// StreamingInputCall takes all messages and answers once.
func (s *service) StreamingInputCall(stream pb.TestService_StreamingInputCallServer) error {
	for {
		if _, err := stream.Recv(); errors.Is(err, io.EOF) {
			return stream.SendAndClose(&pb.StreamingInputCallResponse{})
		} else if err != nil {
			return err
		}
	}
}

// serve runs the service, and says where.
func serve(t testing.TB, s pb.TestServiceServer, opts ...grpc.ServerOption) string {
	t.Helper()
	server := grpc.NewServer(opts...)
	pb.RegisterTestServiceServer(server, s)
	return listen(t, server)
}

// listen runs a server, and says where.
func listen(t testing.TB, server *grpc.Server) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

// nobody is an address at which nobody listens.
func nobody(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func connect(t testing.TB, address string, opts ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(address, append(opts, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// through is a stub whose calls go through a client of this configuration.
func through(t testing.TB, address string, cfg gabiongrpc.ClientConfig) pb.TestServiceClient {
	t.Helper()
	client := must(gabiongrpc.NewClient(cfg))
	return pb.NewTestServiceClient(connect(t, address, client.DialOptions()...))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func pipe(policies ...gabion.Policy) *gabion.Pipe {
	return must(gabion.New(gabion.Config{Name: "test", Classify: gabiongrpc.Classify, Policies: policies}))
}

// again is a retry that does not wait long, and has no budget that would hide what it does.
func again() *retry.Retry {
	return must(retry.New(retry.Config{
		Name: "test", Attempts: 3, Budget: gabion.Off, Backoff: retry.Backoff{Initial: time.Microsecond, Max: time.Microsecond},
	}))
}

func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// eventually waits for what happens on another goroutine.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	deadline := time.After(patience)
	for !is() {
		select {
		case <-deadline:
			t.Fatalf("not within %v: %s", patience, what)
		case <-time.After(time.Millisecond):
		}
	}
}

// gate is a guard that writes down what becomes of its permits.
type gate struct {
	mu      sync.Mutex
	in      int
	results []gabion.Result
}

func (g *gate) Describe() gabion.Description {
	return gabion.Description{Kind: "gate", Position: gabion.PositionBulkhead}
}

func (g *gate) Acquire(context.Context, gabion.Instant) (gabion.Ticket, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.in++
	return gabion.Ticket{}, nil
}

func (g *gate) Done(_ gabion.Ticket, r gabion.Result) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.in--
	g.results = append(g.results, r)
}

// inside is how many permits are out, and ended are the outcomes of those that came back.
func (g *gate) inside() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.in
}

func (g *gate) ended() (all []gabion.Outcome) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, r := range g.results {
		all = append(all, r.Outcome)
	}
	return all
}
