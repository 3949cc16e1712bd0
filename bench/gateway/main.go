// Command gateway measures what a proxied request costs: CPU time of the proxy process per request, with nginx,
// HAProxy, Caddy and a tuned httputil.ReverseProxy in the same run, and writes the table to docs/performance.md.
//
// The contenders are measured in turn, in another order every round, and the median of the rounds counts: machines
// drift. Wall-clock figures of a shared machine mean little, CPU per request means a lot.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"
)

// options are the command's flags.
type options struct {
	rounds  int
	seconds int
	out     string
	gabion  string
	serve   string
	only    string
}

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 5, "rounds; the median counts")
	flag.IntVar(&o.seconds, "seconds", 5, "seconds of load for each contender and round")
	flag.StringVar(&o.out, "out", "../docs/performance.md", "the file whose gateway section is written; empty: only print")
	flag.StringVar(&o.gabion, "gabion", "../bin/gabion", "the binary under test")
	flag.StringVar(&o.serve, "reverseproxy", "", "internal: serve as the tuned ReverseProxy, LISTEN,BACKEND")
	flag.StringVar(&o.only, "only", "", "measure only contenders whose name contains a word of this comma-separated list")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "bench-gateway:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	if o.serve != "" {
		return serveReverseProxy(o.serve)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	dir, err := os.MkdirTemp("", "gabion-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	behind, err := start(ctx, backend)
	if err != nil {
		return err
	}
	defer behind.stop()
	gabion, err := filepath.Abs(o.gabion)
	if err != nil {
		return err
	}
	contenders, err := contenders(ctx, dir, gabion, o.only)
	if err != nil {
		return err
	}
	results, err := measureAll(ctx, contenders, o.rounds, time.Duration(o.seconds)*time.Second)
	if err != nil {
		return err
	}
	if err := measureIdle(ctx, contenders, results); err != nil {
		return err
	}
	return report(o, contenders, results)
}
