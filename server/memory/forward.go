package memory

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/gabion-io/gabion/server/logs/entry"
	"github.com/gabion-io/gabion/server/logs/forward"
	"github.com/gabion-io/gabion/server/logs/where"
	"github.com/gabion-io/gabion/server/store"
)

// outward is the part that sends on lines and spans to other systems. It is open before anything comes in, and closed
// after the last came.
type outward struct {
	env      store.Env
	settings Forward

	logs   []*forward.Lines
	traces []*forward.Spans
	alike  map[string]int // how many have the same address
}

func newOutward(env store.Env, settings Forward) *outward {
	return &outward{env: env, settings: settings, alike: map[string]int{}}
}

// Name implements [store.Part].
func (o *outward) Name() string { return "forwarding" }

// Open implements [store.Part]. A receiver that cannot be is told, and left out: it must not keep the store from keeping.
func (o *outward) Open(context.Context) error {
	for _, r := range o.settings.Logs {
		if err := o.addLogs(r); err != nil {
			o.env.Log.Error("logs are not forwarded", "to", r.Name, "error", err)
		}
	}
	for _, r := range o.settings.Traces {
		spans, err := forward.NewSpans(o.destination(r))
		if err != nil {
			o.env.Log.Error("spans are not forwarded", "to", r.Name, "error", err)
			continue
		}
		o.traces = append(o.traces, spans)
	}
	return nil
}

func (o *outward) addLogs(r Receiver) error {
	var holds func(*entry.Entry) bool
	if r.Where != "" {
		condition, err := where.Parse(r.Where)
		if err != nil {
			return err
		}
		holds = condition.Holds
	}
	lines, err := forward.NewLines(o.destination(r), forward.Protocol(r.Protocol), holds)
	if err == nil {
		o.logs = append(o.logs, lines)
	}
	return err
}

// destination is what a receiver is to package forward. Those that have an address in common, such as two tenants of one
// Loki, are told apart by a number, or the metrics of one would be taken for those of the other.
func (o *outward) destination(r Receiver) forward.Destination {
	at := r.Protocol + " " + r.URL
	o.alike[at]++
	if u, err := url.Parse(r.URL); err == nil && r.Name == "" && o.alike[at] > 1 {
		r.Name = fmt.Sprintf("%s%s #%d", u.Host, u.Path, o.alike[at])
	}
	return forward.Destination{Name: r.Name, URL: r.URL, Header: r.Header, Plain: r.Plain, Log: o.env.Log}
}

// Handle implements [store.Part].
func (o *outward) Handle(*http.ServeMux) {}

// putLogs takes lines that are kept. Nobody may change them any more.
func (o *outward) putLogs(lines []entry.Entry) {
	for _, to := range o.logs {
		to.Put(lines)
	}
}

// putTraces takes spans. It is what otlp.Receiver.Forward wants.
func (o *outward) putTraces(ctx context.Context, traces ptrace.Traces) (err error) {
	for _, to := range o.traces {
		err = errors.Join(err, to.Put(ctx, traces))
	}
	return err
}

// lastSend is how long the end waits for receivers: one that is down must not keep the store from coming up again.
const lastSend = 3 * time.Second

// Close implements [store.Part]. What cannot be sent in time is lost, and told: whoever sends on keeps it in memory alone.
func (o *outward) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lastSend)
	defer cancel()
	closing := make(chan error)
	for _, to := range o.logs {
		go func() { closing <- to.Close(ctx) }()
	}
	for _, to := range o.traces {
		go func() { closing <- to.Close(ctx) }()
	}
	for range len(o.logs) + len(o.traces) {
		if err := <-closing; err != nil {
			o.env.Log.Warn("forwarding ended", "error", err)
		}
	}
	return nil
}

// families implements measured.
func (o *outward) families() []family {
	labels := []string{"to", "kind"}
	return []family{
		{"gabion_forward_total", "counter", []string{"to", "kind", "result"}, "What was to be sent on: kind is lines, spans or samples; result is sent, dropped (the oldest when there was no room) or refused (by the receiver)."},
		{"gabion_forward_retries_total", "counter", labels, "Tries to send that failed and were repeated."},
		{"gabion_forward_buffered", "gauge", labels, "What waits to be sent on."},
		{"gabion_forward_buffered_bytes", "gauge", labels, "The memory that it takes."},
	}
}

// measure implements measured.
func (o *outward) measure(_ context.Context, put put) {
	for _, to := range o.logs {
		to.Measure(put)
	}
	for _, to := range o.traces {
		to.Measure(put)
	}
}
