package trace_test

import (
	"strings"
	"testing"

	"github.com/gabion-io/gabion/server/gateway/exchange"
	"github.com/gabion-io/gabion/server/gateway/trace"
)

const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

func enter(header map[string]string) *exchange.Exchange {
	x := &exchange.Exchange{Reply: exchange.NewFields()}
	x.Request.Header = exchange.NewFields()
	for name, value := range header {
		x.Request.Header.Set(name, value)
	}
	trace.Step{}.Enter(x)
	return x
}

func TestWhatTheClientSendsIsKept(t *testing.T) {
	future := "01-" + parent[3:] + "-more"
	for _, p := range []string{parent, future} {
		x := enter(map[string]string{"Traceparent": p, "X-Request-Id": "order-7/retry.2", "Tracestate": "a=b"})
		if x.TraceParent != p || x.RequestID != "order-7/retry.2" || x.Request.Header.Get("Tracestate") != "a=b" {
			t.Errorf("%s: got %q, %q", p, x.TraceParent, x.RequestID)
		}
		if got := x.Reply.Get("X-Request-Id"); got != x.RequestID {
			t.Errorf("the answer says %q", got)
		}
	}
}

func TestMadeAnewWhenMissingOrMalformed(t *testing.T) {
	bad := []string{
		"", "x", parent[:54], parent + "-more", "ff" + parent[2:], strings.ToUpper(parent),
		"00-" + strings.Repeat("0", 32) + parent[35:], parent[:36] + strings.Repeat("0", 16) + parent[52:],
		"01" + parent[2:] + "more", "01" + parent[2:] + "-" + strings.Repeat("x", 512), strings.Replace(parent, "4b", "4g", 1),
	}
	seen := map[string]bool{}
	for _, p := range bad {
		x := enter(map[string]string{"Traceparent": p, "Tracestate": "a=b"})
		if x.TraceParent == p || seen[x.TraceParent] || len(x.TraceParent) != 55 {
			t.Errorf("%q: got %q", p, x.TraceParent)
		}
		seen[x.TraceParent] = true
		if x.RequestID != trace.ID(x.TraceParent) {
			t.Errorf("request id %q does not fit %q", x.RequestID, x.TraceParent)
		}
		if x.Request.Header.Get("Tracestate") != "" {
			t.Error("the state of a refused context was kept")
		}
		if again := enter(map[string]string{"Traceparent": x.TraceParent}); again.TraceParent != x.TraceParent {
			t.Errorf("our own context is not valid: %q", x.TraceParent)
		}
	}
	for _, id := range []string{"a b", "a\nb", `a"b`, "ä", strings.Repeat("x", 129)} {
		if x := enter(map[string]string{"X-Request-Id": id}); x.RequestID == id {
			t.Errorf("%q was kept", id)
		}
	}
}
