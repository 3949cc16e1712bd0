package protocol

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// rpc is a gRPC service.
type rpc struct {
	pb.UnimplementedTestServiceServer
	deadlines chan time.Duration
	gone      chan struct{}
}

// UnaryCall echoes, with metadata before and after the answer, or fails as it is asked to.
func (s *rpc) UnaryCall(ctx context.Context, in *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	if deadline, ok := ctx.Deadline(); ok {
		s.deadlines <- time.Until(deadline)
	} else {
		s.deadlines <- 0
	}
	if md, ok := metadata.FromIncomingContext(ctx); ok {
		grpc.SetHeader(ctx, metadata.Pairs("x-echo", fmt.Sprint(md.Get("x-sent")), "x-echo-bin", string(bytes.Join([][]byte{{0, 1, 255}}, nil))))
	}
	grpc.SetTrailer(ctx, metadata.Pairs("x-after", "42"))
	if wanted := in.GetResponseStatus(); wanted != nil {
		return nil, status.Error(codes.Code(wanted.GetCode()), wanted.GetMessage())
	}
	if in.GetResponseSize() < 0 {
		<-ctx.Done()
		close(s.gone)
		return nil, ctx.Err()
	}
	return &pb.SimpleResponse{Payload: in.GetPayload()}, nil
}

// FullDuplexCall answers each message before the next one is sent.
func (s *rpc) FullDuplexCall(stream pb.TestService_FullDuplexCallServer) error {
	for {
		in, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			stream.SetTrailer(metadata.Pairs("x-after", "43"))
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

func serveRPC(t *testing.T) (*rpc, string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &rpc{deadlines: make(chan time.Duration, 10), gone: make(chan struct{})}
	server := grpc.NewServer(grpc.MaxRecvMsgSize(8 << 20))
	pb.RegisterTestServiceServer(server, s)
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	return s, "h2c://" + listener.Addr().String()
}

func dialRPC(t *testing.T, address string) pb.TestServiceClient {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(8<<20)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return pb.NewTestServiceClient(conn)
}

// patience is for machines that are slow and busy.
const patience = 30 * time.Second

func TestGRPCUnary(t *testing.T) {
	t.Parallel()
	s, url := serveRPC(t)
	client := dialRPC(t, before(t, url, "").Address)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, size := range []int64{0, 100, 5 << 20} {
		sent, err := io.ReadAll(&pattern{n: size})
		if err != nil {
			t.Fatal(err)
		}
		var header, trailer metadata.MD
		sending := metadata.AppendToOutgoingContext(ctx, "x-sent", "1", "x-sent", "2")
		got, err := client.UnaryCall(sending, &pb.SimpleRequest{Payload: &pb.Payload{Body: sent}}, grpc.Header(&header), grpc.Trailer(&trailer))
		if err != nil || !bytes.Equal(got.GetPayload().GetBody(), sent) {
			t.Fatalf("%d bytes: %v", size, err)
		}
		if fmt.Sprint(header.Get("x-echo")) != "[[1 2]]" || fmt.Sprint(trailer.Get("x-after")) != "[42]" || header.Get("x-echo-bin")[0] != "\x00\x01\xff" {
			t.Errorf("header %v, trailer %v", header, trailer)
		}
		// The service knows when the client's time is up, or a little earlier.
		if left := <-s.deadlines; left <= 0 || left > patience {
			t.Errorf("the service has %v left", left)
		}
	}
}

func TestGRPCErrors(t *testing.T) {
	t.Parallel()
	s, url := serveRPC(t)
	client := dialRPC(t, before(t, url, "").Address)
	for _, code := range []codes.Code{codes.InvalidArgument, codes.NotFound, codes.Unavailable, codes.Internal} {
		var trailer metadata.MD
		wanted := &pb.EchoStatus{Code: int32(code), Message: "as you like: 100 %"}
		_, err := client.UnaryCall(t.Context(), &pb.SimpleRequest{ResponseStatus: wanted}, grpc.Trailer(&trailer))
		if status.Code(err) != code || status.Convert(err).Message() != "as you like: 100 %" || len(trailer.Get("x-after")) != 1 {
			t.Errorf("%v: %v, trailer %v", code, err, trailer)
		}
		for len(s.deadlines) > 0 {
			<-s.deadlines
		}
	}
	if _, err := client.EmptyCall(t.Context(), &pb.Empty{}); status.Code(err) != codes.Unimplemented {
		t.Errorf("unknown method: %v", err)
	}
	down := dialRPC(t, before(t, "h2c://127.0.0.1:9", "").Address)
	if _, err := down.UnaryCall(t.Context(), &pb.SimpleRequest{}); status.Code(err) != codes.Unavailable {
		t.Errorf("without a service: %v, want Unavailable", err)
	}
}

func TestGRPCDeadlineAndCancellation(t *testing.T) {
	t.Parallel()
	s, url := serveRPC(t)
	client := dialRPC(t, before(t, url, "timeout: {total: 1m, attempt: 1m}").Address)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := client.UnaryCall(ctx, &pb.SimpleRequest{ResponseSize: -1}); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("%v, want DeadlineExceeded", err)
	}
	if left := <-s.deadlines; left <= 0 || left > 300*time.Millisecond {
		t.Errorf("the service had %v left", left)
	}
	select {
	case <-s.gone:
	case <-time.After(patience):
		t.Error("the service still works")
	}
}

func TestGRPCCancellation(t *testing.T) {
	t.Parallel()
	s, url := serveRPC(t)
	client := dialRPC(t, before(t, url, "timeout: {total: 1m, attempt: 1m}").Address)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-s.deadlines // it has arrived
		cancel()
	}()
	if _, err := client.UnaryCall(ctx, &pb.SimpleRequest{ResponseSize: -1}); status.Code(err) != codes.Canceled {
		t.Errorf("%v, want Canceled", err)
	}
	select {
	case <-s.gone:
	case <-time.After(patience):
		t.Error("the service was not told that the client has gone")
	}
}

func TestGRPCBidirectionalStream(t *testing.T) {
	t.Parallel()
	_, url := serveRPC(t)
	client := dialRPC(t, before(t, url, "timeout: {total: 20s, attempt: 20s}").Address)
	stream, err := client.FullDuplexCall(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range 200 { // each message is sent when the one before has come back
		sent := fmt.Sprintf("message %d", i)
		if err := stream.Send(&pb.StreamingOutputCallRequest{Payload: &pb.Payload{Body: []byte(sent)}}); err != nil {
			t.Fatal(err)
		}
		got, err := stream.Recv()
		if err != nil || string(got.GetPayload().GetBody()) != sent {
			t.Fatalf("%d: %v, %v", i, got, err)
		}
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) || fmt.Sprint(stream.Trailer().Get("x-after")) != "[43]" {
		t.Errorf("ended with %v, trailer %v", err, stream.Trailer())
	}
}

// Of two replicas one is down: its calls were never sent, so they go to the other.
func TestGRPCSurvivesAReplicaThatIsDown(t *testing.T) {
	t.Parallel()
	s, url := serveRPC(t)
	g := before(t, url+", h2c://127.0.0.1:9", "")
	client := dialRPC(t, g.Address)
	for i := range 100 {
		if _, err := client.UnaryCall(t.Context(), &pb.SimpleRequest{}); err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
		<-s.deadlines
	}
}
