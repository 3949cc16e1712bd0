package exchange

import (
	"testing"
	"time"
)

func TestProblemForGRPC(t *testing.T) {
	for kind, want := range map[string]string{
		RateLimited: "8", BodyTooLarge: "8", UpstreamTimeout: "4", DeadlineExceeded: "4", NoRoute: "12", BadRequest: "3",
		NoEndpoint: "14", CircuitOpen: "14", BulkheadFull: "14", UpstreamBroken: "14", Stopping: "14", InternalError: "13",
	} {
		x := &Exchange{Request: Request{Header: Fields{"Content-Type": {"application/grpc+proto"}}}}
		a := Problem{Type: kind, Detail: "100 % of größe\n", RetryAfter: 1500 * time.Microsecond}.Answer(x)
		if a.Status != 200 || a.Body != nil || a.Length != 0 || a.Header.Get("Content-Type") != "application/grpc" {
			t.Errorf("%s: %+v", kind, a)
		}
		if got := a.Header.Get("Grpc-Status"); got != want {
			t.Errorf("%s: status %s, must be %s", kind, got, want)
		}
		if got := a.Header.Get("Grpc-Retry-Pushback-Ms"); got != "2" {
			t.Errorf("%s: pushback %q", kind, got)
		}
		if x.Record.Problem != kind {
			t.Errorf("%s: the record has %q", kind, x.Record.Problem)
		}
	}
	if got, want := grpcMessage("100 % of größe\n"), "100 %25 of gr%C3%B6%C3%9Fe%0A"; got != want {
		t.Errorf("the message is %q, must be %q", got, want)
	}
}

func TestIsGRPC(t *testing.T) {
	for contentType, want := range map[string]bool{
		"application/grpc": true, "application/grpc+json": true, "application/grpc;x=y": true,
		"application/grpc-web": false, "application/json": false, "": false,
	} {
		if got := IsGRPC(contentType); got != want {
			t.Errorf("%q: %v", contentType, got)
		}
	}
}
