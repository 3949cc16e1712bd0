package grpc_test

import (
	"context"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/gabion-io/gabion"
	gabiongrpc "github.com/gabion-io/gabion/adapters/grpc"
	"github.com/gabion-io/gabion/breaker"
	"github.com/gabion-io/gabion/ratelimit"
)

// A server that lets each tenant make one call in an hour, and a client with the default policies.
func Example() {
	perTenant, err := ratelimit.NewRequests(ratelimit.RequestsConfig{
		Rate: ratelimit.Rate{Count: 1, Per: time.Hour}, Key: gabion.TenantOf,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	guards, err := gabion.New(gabion.Config{Name: "shop", Policies: []gabion.Policy{perTenant}})
	if err != nil {
		fmt.Println(err)
		return
	}
	server, err := gabiongrpc.NewServer(gabiongrpc.ServerConfig{
		Pipe: guards,
		Tenant: func(_ context.Context, _ string, md metadata.MD) string {
			return fmt.Sprint(md.Get("x-tenant"))
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	s := grpc.NewServer(server.ServerOptions()...)
	pb.RegisterTestServiceServer(s, &service{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	go s.Serve(listener)
	defer s.Stop()

	client, err := gabiongrpc.NewClient(gabiongrpc.ClientConfig{Name: "shop"})
	if err != nil {
		fmt.Println(err)
		return
	}
	conn, err := grpc.NewClient(listener.Addr().String(),
		append(client.DialOptions(), grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	shop := pb.NewTestServiceClient(conn)
	for _, tenant := range []string{"a", "a", "b"} {
		ctx := metadata.AppendToOutgoingContext(context.Background(), "x-tenant", tenant)
		_, err := shop.UnaryCall(ctx, &pb.SimpleRequest{})
		fmt.Println(tenant, status.Code(err))
	}
	// Output:
	// a OK
	// a ResourceExhausted
	// b OK
}

// A breaker for streams judges them when they begin to answer, because they may not end for days.
func ExampleOpening() {
	fuse, err := breaker.New(breaker.Config{Name: "feed"})
	if err != nil {
		fmt.Println(err)
		return
	}
	streams, err := gabion.New(gabion.Config{Name: "feed", Policies: []gabion.Policy{gabiongrpc.Opening(fuse)}})
	if err != nil {
		fmt.Println(err)
		return
	}
	calls, err := gabion.New(gabion.Config{Name: "calls", Classify: gabiongrpc.Classify})
	if err != nil {
		fmt.Println(err)
		return
	}
	cfg := gabiongrpc.ClientConfig{Pipe: calls, Streams: streams}
	fmt.Println(cfg.Validate())
	// Output: <nil>
}
