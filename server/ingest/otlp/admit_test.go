package otlp

import (
	"net"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// silent begins a call and never sends its message.
func silent(t *testing.T, conn *grpc.ClientConn) grpc.ClientStream {
	t.Helper()
	s, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, "/opentelemetry.proto.collector.logs.v1.LogsService/Export")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSilentCallsEnd(t *testing.T) {
	const within = 300 * time.Millisecond
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.InTapHandle(admit(2, within)))
	plogotlp.RegisterGRPCServer(server, &logService{receiver: &Receiver{Sink: &shelf{}}})
	go server.Serve(l)
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })

	began := time.Now()
	first, second := silent(t, conn), silent(t, conn)
	send := func() error {
		_, err := plogotlp.NewGRPCClient(conn).Export(t.Context(), plogotlp.NewExportRequestFromLogs(plog.NewLogs()))
		return err
	}
	refused, taken := 0, 0 // those that have ended do not count
	for late := time.After(20 * time.Second); taken < 10; {
		switch err := send(); status.Code(err) {
		case codes.OK:
			taken++
		case codes.Unavailable:
			refused++
		default:
			t.Fatal(err)
		}
		select {
		case <-late:
			t.Fatal("silent calls are in the way")
		case <-time.After(5 * time.Millisecond):
		}
	}
	if refused == 0 || time.Since(began) < within/2 {
		t.Errorf("%d refused, taken after %v", refused, time.Since(began))
	}
	for _, s := range []grpc.ClientStream{first, second} {
		if err := s.RecvMsg(new([]byte)); err == nil {
			t.Error("a call without a message is answered")
		}
	}
}
