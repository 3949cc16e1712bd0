package memory

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"

	"github.com/gabion-io/gabion/server/metrics/remote"
	"github.com/gabion-io/gabion/server/metrics/tier"
)

// receiver is a system that samples are sent on to.
type receiver struct {
	name string
	*remote.Writer
}

// openRemote makes the receivers. One that cannot be is told, and left out: it must not keep the store from keeping.
func (m *metrics) openRemote() {
	for _, r := range m.settings.Metrics.Forward {
		w, err := remote.New(remote.Config{URL: r.URL, Header: r.Header, Labels: r.Labels, Describe: m.store.Metadata, Logger: m.env.Log})
		if err != nil {
			m.env.Log.Error("metrics are not forwarded", "to", r.Name, "error", err)
			continue
		}
		m.receivers = append(m.receivers, receiver{m.nameOf(r), w})
	}
}

// nameOf tells a receiver from those before it: in metrics, no two may have the same name.
func (m *metrics) nameOf(r Receiver) string {
	name := r.Name
	if u, err := url.Parse(r.URL); err == nil {
		name = cmp.Or(name, u.Host+u.Path)
	}
	first, taken := name, func(other receiver) bool { return other.name == name }
	for n := 2; slices.ContainsFunc(m.receivers, taken); n++ {
		name = fmt.Sprintf("%s #%d", first, n)
	}
	return name
}

// sendOn is what tier.Options.Taken wants.
func (m *metrics) sendOn(batch []tier.Sample) {
	for _, r := range m.receivers {
		r.Take(batch)
	}
}

// closeRemote sends what waits. What cannot be sent is lost, and told: it is in the store all the same.
func (m *metrics) closeRemote(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lastSend)
	defer cancel()
	closing := make(chan error)
	for _, r := range m.receivers {
		go func() { closing <- r.Close(ctx) }()
	}
	for range m.receivers {
		if err := <-closing; err != nil {
			m.env.Log.Warn("forwarding ended", "error", err)
		}
	}
}

// measureRemote adds to the families of the part that sends on lines and spans.
func (m *metrics) measureRemote(put put) {
	const kind = "samples"
	for _, r := range m.receivers {
		s := r.Status()
		put("gabion_forward_total", float64(s.Sent), "to", r.name, "kind", kind, "result", "sent")
		put("gabion_forward_total", float64(s.Dropped), "to", r.name, "kind", kind, "result", "dropped")
		put("gabion_forward_total", float64(s.Refused), "to", r.name, "kind", kind, "result", "refused")
		put("gabion_forward_retries_total", float64(s.Retries), "to", r.name, "kind", kind)
		put("gabion_forward_buffered", float64(s.Waiting), "to", r.name, "kind", kind)
		put("gabion_forward_buffered_bytes", float64(s.Bytes), "to", r.name, "kind", kind)
	}
}
