package otlp

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/gzip" // senders may pack
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/gabion-io/gabion/server/ingest"
)

// ServerOptions are what a gRPC server needs to be safe from its senders: bounds for messages (4 MiB), for how deep they
// are nested, for calls at a time (32, in all), and deadlines.
func ServerOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.MaxRecvMsgSize(4 << 20),
		grpc.MaxConcurrentStreams(16),
		grpc.MaxHeaderListSize(16 << 10),
		grpc.ConnectionTimeout(10 * time.Second),
		grpc.InTapHandle(admit(32, 30*time.Second)),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: 5 * time.Minute, Time: time.Minute, Timeout: 20 * time.Second}),
		grpc.ForceServerCodecV2(codec{encoding.GetCodecV2("proto")}),
	}
}

// Register makes a gRPC server, made with [ServerOptions], take logs and spans when there is a sink, and metrics when there
// is something that takes them.
func (r *Receiver) Register(s *grpc.Server) {
	if r.Sink != nil {
		plogotlp.RegisterGRPCServer(s, &logService{receiver: r})
		ptraceotlp.RegisterGRPCServer(s, &traceService{receiver: r})
	}
	if r.Metrics != nil {
		pmetricotlp.RegisterGRPCServer(s, &metricService{receiver: r})
	}
}

type logService struct {
	plogotlp.UnimplementedGRPCServer
	receiver *Receiver
}

// Export takes logs.
func (s *logService) Export(ctx context.Context, in plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
	out := plogotlp.NewExportResponse()
	rejected, reason, err := s.receiver.takeLogs(ctx, producer(ctx), in.Logs())
	if rejected > 0 {
		out.PartialSuccess().SetRejectedLogRecords(rejected)
		out.PartialSuccess().SetErrorMessage(reason)
	}
	return out, failure(err)
}

type traceService struct {
	ptraceotlp.UnimplementedGRPCServer
	receiver *Receiver
}

// Export takes spans.
func (s *traceService) Export(ctx context.Context, in ptraceotlp.ExportRequest) (ptraceotlp.ExportResponse, error) {
	return ptraceotlp.NewExportResponse(), failure(s.receiver.takeTraces(ctx, producer(ctx), in.Traces()))
}

// producer is the address of who is sending.
func producer(ctx context.Context) string {
	if p, ok := peer.FromContext(ctx); ok && p.Addr != nil {
		return "otlp " + hostOf(p.Addr.String())
	}
	return "otlp local"
}

// failure says an error in gRPC's way. Senders only come again after RESOURCE_EXHAUSTED when it says when.
func failure(err error) error {
	if err == nil {
		return nil
	}
	s := status.New(codeOf(err), err.Error())
	if ingest.Retry(err) {
		if more, err := s.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(ingest.RetryAfter(err))}); err == nil {
			s = more
		}
	}
	return s.Err()
}

// codec looks how deep a message is nested before it is decoded.
type codec struct{ encoding.CodecV2 }

// Unmarshal decodes a message.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	m := leaf
	switch name := fmt.Sprintf("%T", v); {
	case strings.HasSuffix(name, "ExportLogsServiceRequest"):
		m = logsRequest
	case strings.HasSuffix(name, "ExportTraceServiceRequest"):
		m = spansRequest
	case strings.HasSuffix(name, "ExportMetricsServiceRequest"):
		m = metricsRequest
	}
	if m != leaf {
		if err := shallow(data.Materialize(), m); err != nil {
			return failure(err)
		}
	}
	return c.CodecV2.Unmarshal(data, v)
}
