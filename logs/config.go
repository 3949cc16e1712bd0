package logs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/internal/spool"
)

// Config is what a [Handler] is made of. The zero value of every field but URL means its default.
type Config struct {
	// URL is where Gabion's admin listener is, such as "http://gabion:8081". The path /api/v1/logs is added when it has none.
	// Required.
	URL string
	// Service is the name under which the lines are found. Default: the name of the program.
	Service string
	// Instance tells instances of a service apart. Default: the name of the host.
	Instance string
	// Level is the lowest that is sent. Default: slog.LevelInfo. A *slog.LevelVar can be changed while it runs.
	Level slog.Leveler
	// Source adds where in the code a record was made, as the attribute "source".
	Source bool
	// Trace returns the IDs of the trace and the span of a context, in hexadecimal, empty where there are none. They stand on
	// the line as trace_id and span_id, outside of all groups. adapters/otel has one for OpenTelemetry. Default: there are none.
	Trace func(context.Context) (traceID, spanID string)
	// Next gets all records too, those below Level as well, if it wants them. Default: nobody does.
	Next slog.Handler

	// Transport sends the requests. Default: a transport of its own.
	Transport http.RoundTripper
	// Header is sent with every request, such as Authorization: Bearer TOKEN, which Gabion wants from other hosts.
	Header http.Header
	// Gzip packs what is sent: about a fifth of the bytes, for about 2 µs of CPU a line.
	Gzip bool
	// Buffer bounds what is kept in memory, in bytes; at least four times Batch. A line may have a quarter of it, and 1 MiB.
	// Default: 8 MiB.
	Buffer int
	// Batch is how many bytes are sent at once, before they are packed; at most 4 MiB. Default: 256 KiB.
	Batch int
	// Every is how long a line waits at most before it is sent. Default: 1s.
	Every time.Duration
	// Timeout is how long one try may take, and Close when its context has no deadline. Default: 10s.
	Timeout time.Duration
}

// maxBatch is half of what the server takes at once.
const maxBatch = 4 << 20

// Validate returns all that is impossible in c, joined: each a *[gabion.FieldError].
func (c Config) Validate() error {
	var problems []error
	refuse := func(field, format string, args ...any) {
		problems = append(problems, &gabion.FieldError{Field: field, Problem: fmt.Sprintf(format, args...)})
	}
	switch u, err := url.Parse(c.URL); {
	case c.URL == "":
		refuse("url", "is empty, must say where Gabion's admin listener is, such as http://gabion:8081")
	case err != nil:
		// The error of Parse shows the whole address, which may hold a password.
		refuse("url", "is no address, must be such as http://gabion:8081")
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		refuse("url", "is %q, must begin with http:// or https:// and a host", u.Redacted())
	}
	spool.Bounds{Buffer: c.Buffer, Batch: c.Batch, Every: c.Every, Timeout: c.Timeout}.Check(defaultBatch, maxBatch, refuse)
	return errors.Join(problems...)
}

const (
	defaultBuffer = 8 << 20
	defaultBatch  = 256 << 10
)

func (c Config) withDefaults() Config {
	// It was parsed by Validate.
	if u, err := url.Parse(c.URL); err == nil && (u.Path == "" || u.Path == "/") {
		u.Path = "/api/v1/logs"
		c.URL = u.String()
	}
	if c.Service == "" && len(os.Args) > 0 {
		c.Service = filepath.Base(os.Args[0])
	}
	if c.Instance == "" {
		// A host without a name leaves the field empty.
		c.Instance, _ = os.Hostname()
	}
	if c.Level == nil {
		c.Level = slog.LevelInfo
	}
	if c.Transport == nil {
		c.Transport = spool.NewTransport()
	}
	c.Batch = cmp.Or(c.Batch, defaultBatch)
	c.Buffer = max(cmp.Or(c.Buffer, defaultBuffer), 4*c.Batch)
	c.Every = cmp.Or(c.Every, time.Second)
	c.Timeout = cmp.Or(c.Timeout, 10*time.Second)
	return c
}

// origin says on each line who wrote it.
func (c Config) origin() (attrs []slog.Attr) {
	if c.Service != "" {
		attrs = append(attrs, slog.String("service", c.Service))
	}
	if c.Instance != "" {
		attrs = append(attrs, slog.String("instance", c.Instance))
	}
	return attrs
}
