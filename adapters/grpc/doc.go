// Package grpc puts gRPC calls and streams through the policies of a [gabion.Pipe].
package grpc

import (
	_ "google.golang.org/genproto/googleapis/rpc/errdetails"
	_ "google.golang.org/grpc"
	_ "google.golang.org/protobuf/proto"

	_ "github.com/gabion-io/gabion"
)
