package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/gabion-io/gabion/examples/shop"
	"github.com/gabion-io/gabion/server/app"
	"github.com/gabion-io/gabion/server/demo"
	"github.com/gabion-io/gabion/server/event"
	"github.com/gabion-io/gabion/server/supervise"
	"github.com/spf13/cobra"
)

func newDemo(p *program) *cobra.Command {
	opt := demo.Options{Out: p.out}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See a small shop survive",
		Long: `Starts a small shop behind the gateway, on loopback only, with steady traffic, and lets one part after another fail. After
each failure it says what clients saw and what Gabion did. The exit code is 0 when every protection held, 5 when one did not.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if opt.Binary, err = os.Executable(); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return demo.Run(ctx, &inProcess{program: p}, opt)
		},
	}
	cmd.Flags().BoolVar(&opt.Keep, "keep", false, "keep everything up after the story, until Ctrl-C")
	cmd.Flags().StringVar(&opt.Listen, "listen", "127.0.0.1:8080", "`address` of the gateway")
	cmd.Flags().StringVar(&opt.Admin, "admin", "127.0.0.1:8081", "`address` of the admin API")
	cmd.Flags().Float64Var(&opt.Pace, "pace", 1, "stretches the time of each chapter")
	return cmd
}

// inProcess is the gateway of the demo: the same as that of run, without its logs.
type inProcess struct {
	program *program
	app     *app.App
}

// Start implements [demo.Gateway].
func (g *inProcess) Start(path string) error {
	a, err := app.New(app.Options{Path: path, Version: readBuild().Version, Access: io.Discard, Log: io.Discard, Store: &supervise.Config{}})
	if err != nil {
		return err
	}
	if err := a.Start(); err != nil {
		return err
	}
	g.app = a
	return nil
}

// Events implements [demo.Gateway].
func (g *inProcess) Events(since uint64) (lines []string, last uint64) {
	page := g.app.Events().Since(since, 0)
	for _, e := range page.Events {
		lines = append(lines, sentence(e))
	}
	return lines, page.Last
}

// sentence is an event for people.
func sentence(e event.Event) string {
	names := slices.DeleteFunc([]string{string(e.Kind), e.Service, e.Endpoint, e.Route, e.Limit, e.Key}, func(name string) bool { return name == "" })
	text := strings.Join(names, " ")
	if e.From != "" || e.To != "" {
		text += fmt.Sprintf(": %s → %s", e.From, e.To)
	}
	if e.Reason != "" {
		text += " (" + e.Reason + ")"
	}
	return text
}

// Stop implements [demo.Gateway].
func (g *inProcess) Stop() { g.app.Stop() }

// newShop is one service of the demo's shop. It is hidden: the demo starts it, and holds its standard input open. When that
// ends, the demo is gone, and the service ends too.
func newShop(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "shop", Hidden: true, DisableFlagParsing: true, Short: "Run one service of the demo's shop",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(context.WithoutCancel(cmd.Context()), os.Interrupt, syscall.SIGTERM)
			defer stop()
			ctx, orphaned := context.WithCancel(ctx)
			go func() { // it ends with the process: a read cannot be interrupted
				defer orphaned()
				// However it ends, it ended.
				_, _ = io.Copy(io.Discard, p.in)
			}()
			return shop.Command(ctx, args, p.err)
		},
	}
}
