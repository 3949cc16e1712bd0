package memory

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion/server/logs/entry"
	"github.com/gabion-io/gabion/server/store"
)

// TestReceiversWithTheSameAddress have metrics of their own.
func TestReceiversWithTheSameAddress(t *testing.T) {
	o := newOutward(store.Env{Log: slog.New(slog.DiscardHandler)}, Forward{
		Logs: []Receiver{
			{URL: "http://me:secret@127.0.0.1:1/x", Protocol: "otlp"},
			{URL: "http://me:secret@127.0.0.1:1/x", Protocol: "otlp"},
			{URL: "http://127.0.0.1:1", Protocol: "otlp"},
			{URL: "http://127.0.0.1:1", Protocol: "loki"},
			{Name: "b", URL: "http://127.0.0.1:1", Protocol: "loki"},
		},
		Traces: []Receiver{{URL: "http://127.0.0.1:1"}},
	})
	if err := o.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got []string
	o.measure(t.Context(), func(name string, _ float64, labels ...string) {
		if name == "gabion_forward_buffered" {
			got = append(got, labels[1]+" "+labels[3])
		}
	})
	want := []string{
		"127.0.0.1:1/x lines", "127.0.0.1:1/x #2 lines", "127.0.0.1:1/v1/logs lines", "127.0.0.1:1/loki/api/v1/push lines", "b lines", "127.0.0.1:1/v1/traces spans",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if err := o.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestAReceiverThatHangsAtTheEnd: the end does not wait for it, and says what is lost.
func TestAReceiverThatHangsAtTheEnd(t *testing.T) {
	hanging, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer hanging.Close()
	var log bytes.Buffer
	o := newOutward(store.Env{Log: slog.New(slog.NewTextHandler(&log, nil))}, Forward{Logs: []Receiver{{URL: "http://" + hanging.Addr().String(), Protocol: "loki"}}})
	if err := o.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.putLogs([]entry.Entry{{Time: 1, Message: "m"}})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := o.Close(ctx); err != nil || ctx.Err() != nil {
		t.Error(err, ctx.Err())
	}
	if !strings.Contains(log.String(), "1 not sent") {
		t.Error(log.String())
	}
}
