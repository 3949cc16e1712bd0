package httpx_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/breaker"
	"github.com/gabion-io/gabion/bulkhead"
	"github.com/gabion-io/gabion/httpx"
	"github.com/gabion-io/gabion/timeout"
)

func TestWhatErrorsSay(t *testing.T) {
	noLeak(t)
	silent := serve(t, hangs)
	full, err := bulkhead.New(bulkhead.Config{Concurrency: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := full.Acquire(t.Context(), gabion.Now()); err != nil {
		t.Fatal(err)
	}
	cause := errors.New("lunch")
	soon := func() context.Context { return within(t, 20*time.Millisecond) }
	leaves := func() context.Context {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(20*time.Millisecond, func() { cancel(cause) })
		return ctx
	}
	for name, test := range map[string]struct {
		policies []gabion.Policy
		ctx      func() context.Context
		url      string
		client   time.Duration
		is       []error
		timeout  bool
	}{
		"the caller's deadline":   {ctx: soon, is: []error{context.DeadlineExceeded}, timeout: true},
		"the client's time out":   {client: 20 * time.Millisecond, is: []error{context.DeadlineExceeded}, timeout: true},
		"the time of a try":       {policies: []gabion.Policy{limits(t, timeout.Config{Attempt: 20 * time.Millisecond})}, is: []error{timeout.ErrExceeded, context.DeadlineExceeded}, timeout: true},
		"the time of all tries":   {policies: []gabion.Policy{retries(t), limits(t, timeout.Config{Total: 20 * time.Millisecond})}, is: []error{timeout.ErrExceeded, context.DeadlineExceeded}, timeout: true},
		"the caller goes":         {ctx: leaves, is: []error{context.Canceled, cause}},
		"refused":                 {policies: []gabion.Policy{full}, is: []error{gabion.ErrRejected, bulkhead.ErrFull}},
		"nobody there":            {url: "http://127.0.0.1:1/"},
		"no address in the world": {url: "http://[::1%25none]:1/"},
	} {
		ctx := t.Context()
		if test.ctx != nil {
			ctx = test.ctx()
		}
		target := test.url
		if target == "" {
			target = silent.URL
		}
		c := clientOf(t, httpx.TransportConfig{}, test.policies...)
		c.Timeout = test.client
		start := time.Now()
		a := do(c, request(t, http.MethodGet, target, nil).WithContext(ctx))
		for _, want := range test.is {
			if !errors.Is(a.err, want) {
				t.Errorf("%s: %v is not %v", name, a.err, want)
			}
		}
		n, ok := errors.AsType[net.Error](a.err)
		if a.err == nil || !ok || n.Timeout() != test.timeout {
			t.Errorf("%s: %v, time out: %v", name, a.err, ok && n.Timeout())
		}
		if test.url != "" {
			if _, ok := errors.AsType[*net.OpError](a.err); !ok {
				t.Errorf("%s: what the base said is lost: %v", name, a.err)
			}
		}
		if took := time.Since(start); took > patience {
			t.Errorf("%s: took %v", name, took)
		}
	}
}

// A refusal whose last real error was a time out is not one itself.
func TestARefusalIsNoTimeOut(t *testing.T) {
	s := serve(t, hangs)
	c := clientOf(t, httpx.TransportConfig{}, fuse(t, breaker.Config{Consecutive: 1}), limits(t, timeout.Config{Attempt: 20 * time.Millisecond}))
	for _, timesOut := range []bool{true, false} {
		a := get(t, c, s.URL)
		if u, ok := errors.AsType[*url.Error](a.err); !ok || u.Timeout() != timesOut {
			t.Errorf("got %v, time out: %v, want %v", a.err, !timesOut, timesOut)
		}
	}
}
