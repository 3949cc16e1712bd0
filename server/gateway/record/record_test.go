package record_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/gateway/exchange"
	"github.com/gabion-io/gabion/server/gateway/record"
	"github.com/gabion-io/gabion/server/logs"
	"github.com/gabion-io/gabion/server/metrics"
)

var product = config.Route{Name: "product", Service: "catalog"}

// bundle is a step and what it writes to.
type bundle struct {
	metrics *metrics.Metrics
	text    bytes.Buffer
	access  *logs.Access
	step    *record.Step
}

func setup(t *testing.T) *bundle {
	b := &bundle{metrics: metrics.New(metrics.Source{})}
	b.metrics.Keep([]config.Route{product})
	b.access = logs.New(&b.text, logs.Config{})
	b.step = &record.Step{Route: b.metrics.Route(product), Access: b.access}
	t.Cleanup(func() { b.log(t) })
	return b
}

// log ends the access log and returns it.
func (b *bundle) log(t *testing.T) string {
	if err := b.access.Close(context.Background()); err != nil {
		t.Error(err)
	}
	return b.text.String()
}

func TestCountsAndLogs(t *testing.T) {
	b := setup(t)
	x := &exchange.Exchange{Context: t.Context(), Started: gabion.Now() - time.Minute}
	if !b.step.Enter(x) {
		t.Error("the exchange ended here")
	}
	if s, _ := b.metrics.Status("product"); s.InFlight != 1 || s.Requests != 0 {
		t.Errorf("under way: %+v", s)
	}
	x.Record.Status = 204
	b.step.Leave(x)
	s, _ := b.metrics.Status("product")
	if s.InFlight != 0 || s.Codes["204"] != 1 || s.Duration.Sum < 60 || s.Duration.Sum > 120 {
		t.Errorf("%+v", s)
	}
	if text := b.log(t); !strings.Contains(text, `"status":204,"duration_ms":6`) {
		t.Errorf("log: %s", text)
	}
}

func TestHowItEndsWithoutAnAnswer(t *testing.T) {
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		name, code, log string
		x               exchange.Exchange
	}{
		{"panic", "500", `"problem":"internal-error","error":"a fault in the gateway`, exchange.Exchange{Context: t.Context()}},
		{"client gone", "none", `"status":0`, exchange.Exchange{Context: gone}},
		{"client gone in the middle of an upload", "none", `"status":0,`, exchange.Exchange{Context: gone, Client: uploading{}}},
		{"told why", "none", `"error":"reset"`, exchange.Exchange{Context: t.Context(), Record: exchange.Record{Err: errors.New("reset")}}},
	} {
		b := setup(t)
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			b.step.Enter(&test.x)
			defer b.step.Leave(&test.x)
			panic("boom")
		}()
		if s, _ := b.metrics.Status("product"); s.InFlight != 0 || s.Codes[test.code] != 1 {
			t.Errorf("%s: %+v", test.name, s)
		}
		text := b.log(t)
		if !strings.Contains(text, test.log) {
			t.Errorf("%s: log: %s", test.name, text)
		}
		if received := test.x.Client != nil; strings.Contains(text, `"received":4096`) != received {
			t.Errorf("%s: what was received is in the log: %v, must be %v: %s", test.name, !received, received, text)
		}
	}
}

// uploading is a client that has sent a part of its body.
type uploading struct{ exchange.Client }

func (uploading) Received() int64 { return 4096 }

func busy(b *testing.B) *exchange.Exchange {
	return &exchange.Exchange{
		Context: b.Context(), Started: gabion.Now(), Wall: time.Now().UTC(),
		Request: exchange.Request{
			Method: "GET", Path: "/product/12345", Proto: "HTTP/1.1", Client: netip.MustParseAddr("192.0.2.7"),
		},
		Identity: "5f2c7e60-0b1f-4c58-93a8-6a3f5a1d2e11", RequestID: "4bf92f3577b34da6a3ce929d0e0e4736",
		TraceParent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		Record: exchange.Record{
			Route: "product", Service: "catalog", Endpoint: "127.0.0.1:9001", Status: 200, Sent: 1234, Attempts: 1,
			Upstream: 4 * time.Millisecond,
		},
	}
}

func BenchmarkStep(b *testing.B) {
	for _, test := range []struct {
		name string
		log  bool
	}{{"metrics", false}, {"metrics+log", true}} {
		b.Run(test.name, func(b *testing.B) {
			access := logs.New(io.Discard, logs.Config{})
			access.Enable(test.log)
			step := &record.Step{Route: metrics.New(metrics.Source{}).Route(product), Access: access}
			x := busy(b)
			b.ReportAllocs()
			for b.Loop() {
				step.Enter(x)
				step.Leave(x)
			}
			b.StopTimer()
			if err := access.Close(b.Context()); err != nil {
				b.Error(err)
			}
			if written, dropped := access.Counts(); test.log && dropped > written/10 {
				b.Errorf("%d of %d lines were dropped", dropped, dropped+written)
			}
		})
	}
}
