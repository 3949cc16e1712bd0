package grpc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/breaker"
	"github.com/gabion-io/gabion/retry"
	"github.com/gabion-io/gabion/timeout"
)

// ClientConfig is what a [Client] is made of. The zero value of every field means its default.
type ClientConfig struct {
	// Pipe holds the policies of calls. Set its Classify to [Classify], and put [Pushback] beside a retry. Default: a pipe for
	// each target with timeout and retry as they are by default and breaker.ForHTTP.
	Pipe *gabion.Pipe
	// Streams holds the policies of streams. A breaker in it that minds slow or hanging calls takes every long stream for one,
	// unless it is wrapped in [Opening]. Default: Pipe; without one, a pipe for each target with such a breaker.
	Streams *gabion.Pipe
	// Key says through which Pipe.For a call goes, such as [ByTarget] or [ByMethod], so that one bad target does not stop
	// the others. Default: all go through Pipe itself; without one, ByTarget.
	Key func(target, method string) string
	// RetryCodes are the codes that are worth another try. Default: UNAVAILABLE.
	RetryCodes []codes.Code
	// Repeatable says whether the method, such as "/shop.Catalog/Get", may be carried out twice. A call of one that may not is
	// still made again when nothing of it was sent, or when the server has answered that it is unavailable. Default: none.
	Repeatable func(method string) bool
	// Reopen makes the opening of a stream again that could not be opened. Default: a retry of its own; with a pipe of yours,
	// none.
	Reopen *retry.Retry
	// Name names what is called, and Observer is told what the policies do, when there is no Pipe. Default: the target, nobody.
	Name     string
	Observer gabion.Observer
}

// ByTarget is a Key for a pipe per target.
func ByTarget(target, _ string) string { return target }

// ByMethod is a Key for a pipe per target and method.
func ByMethod(target, method string) string { return target + method }

// Validate returns all that is impossible in c, joined: each a *[gabion.FieldError].
func (c ClientConfig) Validate() error {
	var problems []error
	refuse := func(field, problem string) {
		problems = append(problems, &gabion.FieldError{Field: field, Problem: problem})
	}
	if races(c.Pipe) {
		refuse("pipe", "hedges: two answers cannot be decoded into one message")
	}
	if slices.Contains(c.RetryCodes, codes.OK) {
		refuse("retry_codes", "has OK, which is no error")
	}
	if c.Pipe == nil && c.Streams != nil {
		refuse("streams", "is set, but pipe is not: set both")
	}
	if c.Pipe != nil && c.Observer != nil {
		refuse("observer", "is set, but so is pipe: set the observer of the pipe")
	}
	if c.Pipe != nil && c.Name != "" {
		refuse("name", "is set, but so is pipe: set the name of the pipe")
	}
	return errors.Join(problems...)
}

func races(p *gabion.Pipe) bool {
	return p != nil && slices.ContainsFunc(p.Policies(), func(d gabion.Description) bool { return d.Races })
}

// withDefaults fails when the default policies cannot be made.
func (c ClientConfig) withDefaults() (ClientConfig, error) {
	if c.RetryCodes == nil {
		c.RetryCodes = []codes.Code{codes.Unavailable}
	}
	if c.Repeatable == nil {
		c.Repeatable = func(string) bool { return false }
	}
	if c.Pipe != nil {
		c.Streams = cmp.Or(c.Streams, c.Pipe)
		return c, nil
	}
	if c.Key == nil {
		c.Key = ByTarget
	}
	var errs [3]error
	c.Pipe, errs[0] = c.pipe(c.callPolicies)
	c.Streams, errs[1] = c.pipe(c.streamPolicies)
	if c.Reopen == nil {
		c.Reopen, errs[2] = retry.New(retry.Config{Name: c.Name, Observer: c.Observer})
	}
	return c, errors.Join(errs[:]...)
}

func (c ClientConfig) pipe(perKey func(key string) ([]gabion.Policy, error)) (*gabion.Pipe, error) {
	return gabion.New(gabion.Config{Name: c.Name, Classify: Classify, Observer: c.Observer, PerKey: perKey})
}

func (c ClientConfig) callPolicies(key string) ([]gabion.Policy, error) {
	name := cmp.Or(c.Name, key)
	limits, err := timeout.New(timeout.Config{Name: name, Observer: c.Observer})
	if err != nil {
		return nil, err
	}
	again, err := retry.New(retry.Config{Name: name, Observer: c.Observer})
	if err != nil {
		return nil, err
	}
	cfg := breaker.ForHTTP()
	cfg.Name, cfg.Observer = name, c.Observer
	fuse, err := breaker.New(cfg)
	return []gabion.Policy{limits, again, Pushback(), fuse}, err
}

func (c ClientConfig) streamPolicies(key string) ([]gabion.Policy, error) {
	cfg := breaker.ForHTTP()
	cfg.Name, cfg.Observer = cmp.Or(c.Name, key), c.Observer
	cfg.SlowCall, cfg.SlowRate, cfg.Hanging = gabion.Off, 0, 0 // a stream may have nothing to say for long
	fuse, err := breaker.New(cfg)
	if err != nil {
		return nil, err
	}
	return []gabion.Policy{Opening(fuse)}, nil
}

// ServerConfig is what a [Server] is made of. The zero value of every field but Pipe means its default.
type ServerConfig struct {
	// Pipe holds the guards of calls. Its drivers do not act: a handler is not run again. It is required.
	Pipe *gabion.Pipe
	// Streams holds the guards of streams, which stay in them for long. Default: Pipe.
	Streams *gabion.Pipe
	// Key says through which Pipe.For a call goes. Default: all go through Pipe itself.
	Key func(ctx context.Context, method string) string
	// Attempt says which try of its caller a call is, from 1. Default: what its metadata say, see [AttemptOf].
	Attempt func(ctx context.Context, md metadata.MD) int
	// Priority says how important a call is. Default: what the context says, which is normal unless another interceptor has
	// changed it.
	Priority func(ctx context.Context, method string, md metadata.MD) gabion.Priority
	// Tenant says for whom a call is made. Default: what the context says.
	Tenant func(ctx context.Context, method string, md metadata.MD) string
	// Exempt are the methods that pass without being asked. Default: those of grpc.health.v1.Health, because a server that
	// refuses to say how it is gets all of its load taken away.
	Exempt func(method string) bool
}

// Validate returns all that is impossible in c, joined: each a *[gabion.FieldError].
func (c ServerConfig) Validate() error {
	if c.Pipe == nil {
		return &gabion.FieldError{Field: "pipe", Problem: "is nil, must be a pipe of guards"}
	}
	return nil
}

func (c ServerConfig) withDefaults() ServerConfig {
	c.Streams = cmp.Or(c.Streams, c.Pipe)
	if c.Attempt == nil {
		c.Attempt = func(_ context.Context, md metadata.MD) int { return AttemptOf(md) }
	}
	if c.Exempt == nil {
		c.Exempt = func(method string) bool { return strings.HasPrefix(method, "/grpc.health.v1.Health/") }
	}
	return c
}

// pipeFor is the pipe for a call, of all those in p.
func pipeFor(p *gabion.Pipe, keyed bool, key func() string) (*gabion.Pipe, error) {
	if !keyed {
		return p, nil
	}
	one, err := p.For(key())
	if err != nil {
		return nil, fmt.Errorf("no policies for the call: %w", err)
	}
	return one, nil
}
