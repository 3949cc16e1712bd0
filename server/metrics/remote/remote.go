// Package remote sends samples on, by Prometheus' remote-write, to any store that takes it: Prometheus, Mimir, Thanos,
// VictoriaMetrics, another Gabion.
//
// What is to be sent waits in memory within bounds; when there is no room, the oldest goes. A batch is tried again after
// 5xx, 429 (as Retry-After says) and failures of the network, and after what people can put right (401, 403, 404). It is
// given up after every other 4xx: the receiver has refused some of its samples and stored the rest.
//
// The protocol: https://prometheus.io/docs/specs/prw/remote_write_spec/ and …/remote_write_spec_2_0/.
package remote

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/gabion-io/gabion/internal/spool"
	"github.com/gabion-io/gabion/server/metrics/tier"
)

// Config is what a [Writer] is made of. The zero value of every field but URL means its default. It holds secrets: do not
// log it.
type Config struct {
	// URL is where to send, such as http://mimir:9009/api/v1/push. Required. User and password belong into the fields below.
	URL string
	// Version of the protocol: 1, which every receiver knows, or 2, which takes half the bytes. Default: 1.
	Version int
	// User and Password are for basic authentication, Token is for a bearer's. Default: none.
	User, Password, Token string
	// Header is sent with every request, such as X-Scope-OrgID.
	Header http.Header
	// Labels are given to series that do not have them, such as cluster: two that send the same series must differ in one.
	Labels map[string]string
	// Describe says what metrics mean, by name: that is sent beside samples, about once a minute, in version 1. Default: it is
	// not sent.
	Describe func() map[string]tier.Metadata
	// Memory is how many bytes may wait. Default: 64 MiB. At least 8 MiB.
	Memory int
	// Timeout is how long a request may take. Default: 30s.
	Timeout time.Duration
	// Transport sends requests. Default: one of its own.
	Transport http.RoundTripper
	// Logger is told when sending begins to fail, and when it works again. Default: nothing is logged.
	Logger *slog.Logger
}

// The sizes of what is sent.
const (
	batchSize = 1 << 20   // of a request in memory, in bytes: some 4,000 samples
	chunkSize = 128 << 10 // of what is put into the queue at once
	memoryMin = 8 << 20
)

// Check says what is wrong with a configuration; nil when nothing is.
func (c Config) Check() error {
	var errs []error
	u, err := url.Parse(c.URL)
	switch {
	case err != nil:
		errs = append(errs, errors.New("the URL cannot be read")) // the error would repeat it, with a password perhaps
	case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		errs = append(errs, errors.New("the URL must begin with http:// or https:// and a host"))
	case u.User != nil:
		errs = append(errs, errors.New("a user and a password may not stand in the URL"))
	}
	if c.Version < 0 || c.Version > 2 {
		errs = append(errs, fmt.Errorf("version %d: 1 and 2 are known", c.Version))
	}
	if c.Token != "" && (c.User != "" || c.Password != "") {
		errs = append(errs, errors.New("there is a token, and a user too: which shall it be"))
	}
	if c.Memory != 0 && c.Memory < memoryMin {
		errs = append(errs, fmt.Errorf("memory of %d bytes: at least %d are needed", c.Memory, memoryMin))
	}
	for _, name := range slices.Sorted(maps.Keys(c.Labels)) {
		if !model.UTF8Validation.IsValidLabelName(name) || name == model.MetricNameLabel || c.Labels[name] == "" || !utf8.ValidString(c.Labels[name]) {
			errs = append(errs, fmt.Errorf("label %q: neither its name nor its value may be empty or not UTF-8, and it may not be %s", name, model.MetricNameLabel))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("remote: %w", err)
	}
	return nil
}

// Writer sends samples. It is safe for concurrent use. Make it with [New] and end it with [Writer.Close].
type Writer struct {
	target spool.Target
	encode encoder
	kind   string // of the body
	queue  *spool.Spool[[]tier.Sample]
	last   atomic.Pointer[string] // why the last request failed; nil when it did not
}

// New makes a writer and starts its goroutine.
func New(c Config) (*Writer, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	if c.Transport == nil {
		c.Transport = spool.NewTransport()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	header, version := c.Header.Clone(), "0.1.0"
	if header == nil {
		header = http.Header{}
	}
	w := &Writer{encode: &first{about: descriptions{ask: c.Describe}}, kind: "application/x-protobuf"}
	if c.Version == 2 {
		w.encode, w.kind, version = newSecond(), "application/x-protobuf;proto=io.prometheus.write.v2.Request", "2.0.0"
	}
	if len(c.Labels) > 0 {
		w.encode = &extended{encoder: w.encode, more: labels.FromMap(c.Labels)}
	}
	header.Set("Content-Encoding", "snappy")
	header.Set("X-Prometheus-Remote-Write-Version", version)
	header.Set("User-Agent", "gabion")
	switch {
	case c.Token != "":
		header.Set("Authorization", "Bearer "+c.Token)
	case c.User != "" || c.Password != "":
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(c.User+":"+c.Password)))
	}
	w.target = spool.Target{Transport: c.Transport, URL: c.URL, Header: header}
	w.queue = spool.New(spool.Config[[]tier.Sample]{
		Send: w.send, Batch: batchSize, Max: cmp.Or(c.Memory, 64<<20), Timeout: cmp.Or(c.Timeout, 30*time.Second),
		Told: func(err error) {
			if err != nil {
				c.Logger.Warn("metrics: remote-write fails", slog.Any("err", err))
				return
			}
			c.Logger.Info("metrics: remote-write works again")
		},
	})
	return w, nil
}

// Take puts samples into the queue. It never waits and does not keep the slice: it is what tier.Options.Taken wants.
func (w *Writer) Take(batch []tier.Sample) {
	size, from := 0, 0
	for i := range batch {
		n := sizeOf(&batch[i])
		if size += n; size > chunkSize && i > from {
			w.queue.Put(slices.Clone(batch[from:i]), i-from, size-n)
			size, from = n, i
		}
	}
	if from < len(batch) {
		w.queue.Put(slices.Clone(batch[from:]), len(batch)-from, size)
	}
}

// sizeOf is about how much memory a sample takes.
func sizeOf(s *tier.Sample) int {
	const fixed, bucket = 64, 8
	n := fixed + int(s.Labels.ByteSize())
	if h := s.Histogram; h != nil {
		n += fixed + bucket*(len(h.PositiveSpans)+len(h.NegativeSpans)+len(h.PositiveBuckets)+len(h.NegativeBuckets)+len(h.CustomValues))
	}
	if h := s.FloatHistogram; h != nil {
		n += fixed + bucket*(len(h.PositiveSpans)+len(h.NegativeSpans)+len(h.PositiveBuckets)+len(h.NegativeBuckets)+len(h.CustomValues))
	}
	return n
}

// send sends a batch. One goroutine calls it.
func (w *Writer) send(ctx context.Context, batch [][]tier.Sample) (refused int, err error) {
	body, err := w.encode.encode(batch)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", spool.ErrRefused, err)
	}
	_, err = w.target.Post(ctx, w.kind, body)
	w.last.Store(nil)
	if err != nil {
		text := err.Error()
		w.last.Store(&text)
	}
	return 0, err
}

// Status is how a [Writer] is. The counts are samples since its start.
type Status struct {
	// Waiting wait to be sent, or are just being sent, and take so many Bytes of memory.
	Waiting, Bytes int
	// Sent were taken by the receiver. Dropped had no room here. Refused were in batches that the receiver did not want.
	Sent, Dropped, Refused uint64
	// Retries counts requests that had to be sent again.
	Retries uint64
	// Error is why the last request failed; "" when it did not.
	Error string
}

// Status is how it is now.
func (w *Writer) Status() Status {
	c := w.queue.Counts()
	s := Status{Waiting: c.Buffered, Bytes: c.Bytes, Sent: c.Sent, Dropped: c.Dropped, Refused: c.Refused, Retries: c.Retries}
	if text := w.last.Load(); text != nil {
		s.Error = *text
	}
	return s
}

// Close sends what waits until ctx ends. Its error says how many samples are lost, and why.
func (w *Writer) Close(ctx context.Context) error {
	if err := w.queue.Close(ctx); err != nil {
		return fmt.Errorf("remote: %w", err)
	}
	return nil
}
