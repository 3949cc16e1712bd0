// Package forward sends on what the store takes: lines of logs by OTLP or to Loki, and spans by OTLP.
//
//	lines taken by the log store ──▶ Lines ──▶ buffer, bounded ──▶ OTLP (HTTP, protobuf) or Loki's push API
//	spans received               ──▶ Spans ──▶ buffer, bounded ──▶ OTLP (HTTP, protobuf)
//
// Nobody waits for the other system: what it does not take is tried again while there is room, then the oldest go, and are
// counted. What was sent on although the answer got lost comes twice. The buffer is memory: what waits in it when the process
// dies does not come at all, though the log store has it. Do not let two systems forward to each other.
package forward

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/internal/spool"
)

// Destination is where to send, and how. The zero value of every field but URL means its default.
type Destination struct {
	// Name tells it from others, in metrics and messages. Default: the host and the path of URL.
	Name string
	// URL is the address, such as http://collector:4318. When it has no path, that of the protocol is added. Required.
	URL string
	// Header is sent with every request, such as X-Scope-OrgID, which says whose logs they are in Loki.
	Header http.Header
	// Transport sends. Default: one of its own.
	Transport http.RoundTripper
	// Plain leaves bodies as they are. Default: those of OTLP are packed with gzip; those of Loki are always packed.
	Plain bool
	// Buffer bounds the memory, in bytes; at least four times Batch. Default: 32 MiB.
	Buffer int
	// Batch is how much is sent at once, in bytes of memory; at most 4 MiB. Default: 1 MiB.
	Batch int
	// Every is how long something waits at most before it is sent. Default: 1s.
	Every time.Duration
	// Timeout is how long one try may take. Default: 10s.
	Timeout time.Duration
	// Log is told when sending begins to fail and when it works again. Default: nobody.
	Log *slog.Logger
}

// maxBatch is half of what OTLP receivers take by default.
const maxBatch = 4 << 20

const (
	defaultBuffer = 32 << 20
	defaultBatch  = 1 << 20
)

// Validate returns all that is impossible in d, joined: each a *[gabion.FieldError].
func (d Destination) Validate() error {
	var problems []error
	refuse := func(field, format string, args ...any) {
		problems = append(problems, &gabion.FieldError{Field: field, Problem: fmt.Sprintf(format, args...)})
	}
	// The error of Parse shows the whole address, which may hold a password.
	if u, err := url.Parse(d.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		refuse("url", "must begin with http:// or https:// and a host")
	}
	spool.Bounds{Buffer: d.Buffer, Batch: d.Batch, Every: d.Every, Timeout: d.Timeout}.Check(defaultBatch, maxBatch, refuse)
	return errors.Join(problems...)
}

// withDefaults sets what is not set. The address was found to be valid.
func (d Destination) withDefaults(path string) Destination {
	if u, err := url.Parse(d.URL); err == nil {
		if u.Path == "" || u.Path == "/" {
			u.Path = path
			d.URL = u.String()
		}
		d.Name = cmp.Or(d.Name, u.Host+u.Path)
	}
	if d.Transport == nil {
		d.Transport = spool.NewTransport()
	}
	d.Batch = cmp.Or(d.Batch, defaultBatch)
	d.Buffer = max(cmp.Or(d.Buffer, defaultBuffer), 4*d.Batch)
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	return d
}

// Counts is what became of lines or spans so far.
type Counts struct {
	// Buffered wait to be sent or are just being sent, Bytes is the memory that they take.
	Buffered, Bytes int
	// Sent were taken. Dropped were given up: the oldest when there was no room, and what could not be sent at the end. Refused
	// were given up because they will never be taken.
	Sent, Dropped, Refused uint64
	// Retries counts tries that failed, but for those after which everything was refused.
	Retries uint64
}

// outlet is the way to a destination.
type outlet[T any] struct {
	to     Destination
	kind   string // "lines" or "spans"
	target spool.Target
	spool  *spool.Spool[T]
}

// newOutlet opens the way to a destination. To must be complete.
func newOutlet[T any](to Destination, kind string, gzip bool, send func(context.Context, []T) (int, error)) *outlet[T] {
	o := &outlet[T]{to: to, kind: kind, target: spool.Target{Transport: to.Transport, URL: to.URL, Header: to.Header, Gzip: gzip}}
	o.spool = spool.New(spool.Config[T]{
		Send: send, Told: o.told, Max: to.Buffer, Batch: to.Batch, Every: to.Every, Timeout: to.Timeout,
	})
	return o
}

func (o *outlet[T]) told(err error) {
	if err != nil {
		o.to.Log.Warn("forwarding fails: what comes is kept while there is room", "to", o.to.Name, "kind", o.kind, "error", err)
		return
	}
	o.to.Log.Info("forwarding works again", "to", o.to.Name, "kind", o.kind, "dropped", o.spool.Counts().Dropped)
}

// Counts is what became of everything so far.
func (o *outlet[T]) Counts() Counts { return Counts(o.spool.Counts()) }

// Measure gives metrics: gabion_forward_total by result (sent, dropped, refused), gabion_forward_retries_total,
// gabion_forward_buffered and gabion_forward_buffered_bytes.
func (o *outlet[T]) Measure(put func(name string, value float64, labels ...string)) {
	c := o.Counts()
	for _, r := range []struct {
		result string
		n      uint64
	}{{"sent", c.Sent}, {"dropped", c.Dropped}, {"refused", c.Refused}} {
		put("gabion_forward_total", float64(r.n), "to", o.to.Name, "kind", o.kind, "result", r.result)
	}
	put("gabion_forward_retries_total", float64(c.Retries), "to", o.to.Name, "kind", o.kind)
	put("gabion_forward_buffered", float64(c.Buffered), "to", o.to.Name, "kind", o.kind)
	put("gabion_forward_buffered_bytes", float64(c.Bytes), "to", o.to.Name, "kind", o.kind)
}

// Close sends what is left until ctx ends; its error says how much is lost, and why. What comes later is dropped.
func (o *outlet[T]) Close(ctx context.Context) error {
	if err := o.spool.Close(ctx); err != nil {
		return fmt.Errorf("forward to %s: %s: %w", o.to.Name, o.kind, err)
	}
	return nil
}
