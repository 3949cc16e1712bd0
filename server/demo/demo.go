// Package demo tells a story: a small shop behind the gateway, steady traffic, and one failure after another. After each
// it says what the clients saw and what Gabion did, and in the end whether every protection held.
package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// ErrNotHeld says that a protection did not do what it is there for.
var ErrNotHeld = errors.New("a protection did not hold")

// Gateway is the gateway that the shop stands behind.
type Gateway interface {
	// Start brings it up with the configuration file, and returns when it serves.
	Start(path string) error
	// Events returns what happened since the event with this ID, as lines for people, and the ID of the last.
	Events(since uint64) (lines []string, last uint64)
	// Stop ends it.
	Stop()
}

// Options is what a demo needs.
type Options struct {
	// Out is where the story is told.
	Out io.Writer
	// Binary is the program that has the hidden command "shop", usually this one.
	Binary string
	// Listen and Admin are the addresses of the gateway. Default: 127.0.0.1:8080 and 127.0.0.1:8081.
	Listen, Admin string
	// Keep keeps all of it up after the story until the context ends.
	Keep bool
	// Pace stretches the time of each chapter. Default: 1.
	Pace float64
}

// Run tells the story. It fails with [ErrNotHeld] when a protection did not hold.
func Run(ctx context.Context, gateway Gateway, opt Options) error {
	opt.Listen, opt.Admin = cmp.Or(opt.Listen, "127.0.0.1:8080"), cmp.Or(opt.Admin, "127.0.0.1:8081")
	opt.Pace = cmp.Or(opt.Pace, 1)
	dir, err := os.MkdirTemp("", "gabion-demo")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s, err := openShop(ctx, opt)
	if err != nil {
		return err
	}
	defer s.close()
	path := filepath.Join(dir, "gabion.yaml")
	if err := os.WriteFile(path, []byte(s.gatewayConfig(opt, dir)), 0o600); err != nil {
		return err
	}
	if err := gateway.Start(path); err != nil {
		return err
	}
	defer gateway.Stop()
	t := &teller{opt: opt, shop: s, gateway: gateway, traffic: newTraffic("http://" + opt.Listen)}
	defer t.traffic.client.CloseIdleConnections()
	fmt.Fprintf(opt.Out, opening, opt.Listen, opt.Admin)
	held, err := t.tell(ctx)
	if err != nil {
		return err
	}
	if opt.Keep {
		fmt.Fprintf(opt.Out, kept, opt.Listen, opt.Listen, opt.Admin, opt.Admin, opt.Admin, opt.Admin, opt.Admin, path)
		t.keep(ctx)
	}
	if !held {
		return ErrNotHeld
	}
	return nil
}

const opening = `A small shop: catalog (two replicas and a standby), recommendations, checkout. Gabion stands in front of it
on %s, its admin API is on %s. Three customers use the shop all the time. Now things go wrong.

`

const kept = `
Everything stays up. Try:

  curl -i http://%s/product/7
  curl -i http://%s/recommendations/7
  bin/gabion status --admin %s
  bin/gabion top --admin %s
  bin/gabion query --admin %s 'sum by (route) (rate(gabion_http_requests_total[1m]))'
  bin/gabion logs --admin %s --service gabion
  curl http://%s/metrics
  $EDITOR %s        (it is read again when it changes)

Ctrl-C ends it.
`

// keep leaves light traffic on until the context ends, so that there is something to see.
func (t *teller) keep(ctx context.Context) {
	run := t.traffic.start(ctx, customers...)
	<-ctx.Done()
	run.stop()
}

// stretch is a chapter's time at the pace asked for.
func (o Options) stretch(d time.Duration) time.Duration { return time.Duration(float64(d) * o.Pace) }
