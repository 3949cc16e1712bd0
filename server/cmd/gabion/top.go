package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/gabion-io/gabion/server/api/client"
	"github.com/gabion-io/gabion/server/status"
	"github.com/gabion-io/gabion/server/view"
	"github.com/spf13/cobra"
)

func newTop(p *program) *cobra.Command {
	t := top{program: p}
	var admin admin
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Show what a running gateway is busy with, again and again",
		Long: `Asks a running gateway's admin API again and again and shows what happened in between: routes by rate, with errors and
response times, endpoints, and the users that use most, by number of requests and by server time. An interrupt ends it.

With --json, each time is one line. Times are local; in JSON they are in UTC.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if t.every < minEvery {
				return fmt.Errorf("--every %v: at least %v", t.every, minEvery)
			}
			return cobra.NoArgs(cmd, args)
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := admin.client(p.env)
			if err != nil {
				return err
			}
			defer c.Close()
			t.client = c
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return t.run(ctx)
		},
	}
	admin.flags(cmd)
	cmd.Flags().DurationVar(&t.every, "every", time.Second, "the `time` between two looks")
	cmd.Flags().BoolVar(&t.once, "once", false, "show one interval and end")
	cmd.Flags().IntVar(&t.rows, "rows", 10, "at most so many rows in each list")
	cmd.Flags().BoolVar(&t.asJSON, "json", false, "write JSON, one line for each time")
	return cmd
}

// minEvery keeps the looking from being a load of its own.
const minEvery = 100 * time.Millisecond

// top looks at a gateway again and again.
type top struct {
	*program
	client       *client.Client
	every        time.Duration
	rows         int
	once, asJSON bool

	before status.Report
}

// Control sequences: another screen without a cursor whose lines end at its edge, and back; and to the first line.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l\x1b[?7l"
	leaveScreen = "\x1b[?7h\x1b[?25h\x1b[?1049l"
	firstLine   = "\x1b[H"
	clearLine   = "\x1b[K"
	clearRest   = "\x1b[J"
)

// run looks until ctx ends, or once.
func (t *top) run(ctx context.Context) (err error) {
	if t.before, err = t.client.Status(ctx); err != nil {
		return err
	}
	screen := t.terminal() && !t.once && !t.asJSON
	if screen {
		if err := write(t.out, enterScreen); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, write(t.out, leaveScreen)) }()
	}
	tick := time.NewTicker(t.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		text, err := t.look(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !screen:
			return err
		case err != nil: // it may come back, for example after a restart
			text = err.Error() + "\ntrying again …\n"
		}
		if screen {
			text = firstLine + strings.ReplaceAll(text, "\n", clearLine+"\n") + clearRest
		}
		if err := write(t.out, text); err != nil {
			return err
		}
		if t.once {
			return nil
		}
	}
}

// look asks the gateway and makes text of what it says.
func (t *top) look(ctx context.Context) (string, error) {
	after, err := t.client.Status(ctx)
	if err != nil {
		return "", err
	}
	byRequests, err := t.client.Top(ctx, status.ByRequests, t.users())
	if err != nil {
		return "", err
	}
	byTime, err := t.client.Top(ctx, status.ByServerTime, t.users())
	if err != nil {
		return "", err
	}
	load := view.Compare(t.before, after, byRequests, byTime)
	t.before = after
	if t.asJSON {
		text, err := json.Marshal(load)
		return string(text) + "\n", err
	}
	style := t.style()
	style.Rows = t.rows
	return view.Top(load, style), nil
}

// users is how many users are asked for: as many as are shown, within what the API takes.
func (t *top) users() int { return min(max(t.rows, 1), 1000) }
