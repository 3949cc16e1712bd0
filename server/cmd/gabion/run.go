package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/gabion-io/gabion/server/app"
	"github.com/gabion-io/gabion/server/supervise"
	"github.com/spf13/cobra"
)

func newRun(p *program) *cobra.Command {
	var source source
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the gateway",
		Long: `Runs the gateway with a configuration, until SIGTERM or an interrupt. Then /readyz fails, requests in flight
finish for up to gateway.drain, and the exit code is 0. A second signal ends it at once. SIGHUP reads the configuration again, and
so does a change of the file; a configuration with problems never replaces one without.

Metrics and logs are kept in the directory that data names, by a second process that this one starts and watches. Requests never
wait for it.

The access log goes to standard output, everything else to standard error, both as lines of JSON.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			tuneGC(p.env)
			a, err := app.New(app.Options{
				Path: source.path, Env: p.env, Flags: source.set, Version: readBuild().Version, Access: p.out, Log: p.err,
				Store: &supervise.Config{},
			})
			if err != nil {
				return err
			}
			return serve(cmd.Context(), a)
		},
	}
	source.flags(cmd)
	return cmd
}

// tuneGC lets the heap grow to five times what is alive before it is collected, unless GOGC says otherwise. A gateway
// holds a few MiB, so this costs tens of MiB at most; measured, it saves a tenth of the CPU of a request.
func tuneGC(env []string) {
	if !slices.ContainsFunc(env, func(v string) bool { return strings.HasPrefix(v, "GOGC=") }) {
		debug.SetGCPercent(400)
	}
}

// errCut ends the process when it was told twice to stop.
var errCut = errors.New("ended at once by a second signal, requests in flight were cut")

// serve runs a until it is told to stop.
func serve(ctx context.Context, a *app.App) error {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt, syscall.SIGHUP)
	defer signal.Stop(signals)
	if err := a.Start(); err != nil {
		return err
	}
	defer a.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case s := <-signals:
			if s == syscall.SIGHUP {
				// What is wrong is in the log and in /api/v1/status; the configuration in force stays.
				_ = a.Reload()
				continue
			}
			return drain(ctx, a, signals)
		}
	}
}

// drain lets a finish, unless another signal comes.
func drain(ctx context.Context, a *app.App, signals <-chan os.Signal) error {
	ctx, cut := context.WithCancel(ctx)
	defer cut()
	ended := make(chan error, 1)
	go func() { ended <- a.Drain(ctx) }()
	for {
		select {
		case err := <-ended:
			if errors.Is(err, context.DeadlineExceeded) {
				return nil // the time was up, as configured
			}
			return err
		case s := <-signals:
			if s == syscall.SIGHUP {
				continue
			}
			cut()
			return errors.Join(errCut, <-ended)
		}
	}
}
