package httpx

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/breaker"
	"github.com/gabion-io/gabion/retry"
	"github.com/gabion-io/gabion/timeout"
)

// TransportConfig is what a [Transport] is made of. The zero value of every field means its default.
type TransportConfig struct {
	// Base sends the requests. Default: [Connections] of its own.
	Base http.RoundTripper
	// Pipe holds the policies. Set its Classify to [Classify]. Default: a pipe for each host with timeout and retry as they
	// are by default and breaker.ForHTTP, which drops the connections to the host when it opens.
	Pipe *gabion.Pipe
	// Key says which pipe a request goes through, when Pipe has one for each key: Pipe.For(Key(request)). With [HostOf], one
	// bad host does not stop the others. Default: all requests go through Pipe itself.
	Key func(*http.Request) string
	// Failed says whether an answer is a failure. Default: [ServerError].
	Failed func(*http.Response) bool
	// RetryStatus are the answers that are worth another try. One that is no failure, such as 429, is worth it only when it
	// says when to come again. Default: 502, 503 and 504; also 429 when there is no Pipe. Only with [Classify] do the
	// breakers of a Pipe not take that for a failure.
	RetryStatus []int
	// Repeatable says whether a request may be carried out twice. One that may not is still sent again when it is certain
	// that nothing of it was sent. Default: [Repeatable].
	Repeatable func(*http.Request) bool
	// KeepBody is how many bytes of a body without GetBody are kept while it is sent, for another try. A longer body can
	// be sent again only while nothing of it was read. It can be off. Default: 64 KiB.
	KeepBody int
	// ReadAhead is how long the body of an answer may be, in bytes, to be read within the try: when it breaks off, that is
	// a failure of the try. It counts for answers that say how long they are. It can be off. Default: 64 KiB.
	ReadAhead int
	// BodyIdle is how long a read of the body of an answer may wait for the next byte. That of a stream (text/event-stream,
	// another protocol) may wait for ever. It can be off. Default: 5 min.
	BodyIdle time.Duration
	// Name names what is called, and Observer is told what the policies do, when there is no Pipe. Default: the host, nobody.
	Name     string
	Observer gabion.Observer
}

const (
	defaultKeepBody  = 64 << 10
	defaultReadAhead = 64 << 10
	defaultBodyIdle  = 5 * time.Minute
)

// Validate returns all that is impossible in c, joined: each a *[gabion.FieldError].
func (c TransportConfig) Validate() error {
	var problems []error
	refuse := func(field, format string, args ...any) {
		problems = append(problems, &gabion.FieldError{Field: field, Problem: fmt.Sprintf(format, args...)})
	}
	size := func(field string, n int) {
		if n < 0 && n != gabion.Off {
			refuse(field, "is %d, must be positive or off", n)
		}
	}
	size("keep_body", c.KeepBody)
	size("read_ahead", c.ReadAhead)
	if c.BodyIdle < 0 && c.BodyIdle != gabion.Off {
		refuse("body_idle", "is %v, must be positive or off", c.BodyIdle)
	}
	for _, status := range c.RetryStatus {
		if status < 400 || status > 599 {
			refuse("retry_status", "has %d, must be from 400 to 599", status)
		}
	}
	if c.Pipe == nil && c.Key != nil {
		refuse("key", "is set, but there is no pipe: the default has one for each host")
	}
	if c.Pipe != nil && c.Observer != nil {
		refuse("observer", "is set, but so is pipe: set the observer of the pipe")
	}
	if c.Pipe != nil && c.Name != "" {
		refuse("name", "is set, but so is pipe: set the name of the pipe")
	}
	return errors.Join(problems...)
}

func (c TransportConfig) withDefaults() TransportConfig {
	if c.Base == nil {
		c.Base = NewConnections(nil)
	}
	if c.Failed == nil {
		c.Failed = ServerError
	}
	if c.Repeatable == nil {
		c.Repeatable = Repeatable
	}
	if c.RetryStatus == nil {
		c.RetryStatus = []int{http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}
		if c.Pipe == nil {
			c.RetryStatus = append(c.RetryStatus, http.StatusTooManyRequests)
		}
	}
	c.KeepBody = cmp.Or(c.KeepBody, defaultKeepBody)
	c.ReadAhead = cmp.Or(c.ReadAhead, defaultReadAhead)
	c.BodyIdle = cmp.Or(c.BodyIdle, defaultBodyIdle)
	return c
}

// perHost makes the policies of one host, where the configuration has none.
func (c TransportConfig) perHost(host string) ([]gabion.Policy, error) {
	name := cmp.Or(c.Name, host)
	limits, err := timeout.New(timeout.Config{Name: name, Observer: c.Observer})
	if err != nil {
		return nil, err
	}
	again, err := retry.New(retry.Config{Name: name, Observer: c.Observer})
	if err != nil {
		return nil, err
	}
	cfg := breaker.ForHTTP()
	cfg.Name, cfg.Observer, cfg.OnOpen = name, c.Observer, func() { drop(c.Base, host) }
	fuse, err := breaker.New(cfg)
	return []gabion.Policy{limits, again, fuse}, err
}
