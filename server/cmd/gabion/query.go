package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gabion-io/gabion/server/api/client"
	"github.com/gabion-io/gabion/server/view"
	"github.com/spf13/cobra"
)

func newQuery(p *program) *cobra.Command {
	q := query{program: p}
	var admin admin
	cmd := &cobra.Command{
		Use:   "query PROMQL",
		Short: "Ask the metrics of a running gateway",
		Long: `Evaluates a PromQL expression over the metrics that a running gateway keeps: now, at a moment, or over a time. Over a time,
each series is one line with a small graph; --points shows all its points.

Times are local; in JSON they are as the API of Prometheus gives them.`,
		Example: `  gabion query 'sum by (route) (rate(gabion_requests_total[5m]))'
  gabion query 'up == 0' --at 14:30
  gabion query 'sum(rate(gabion_requests_total[5m]))' --from 6h --step 5m`,
		Args:              q.arguments,
		ValidArgsFunction: completeBy(p, &admin, (*client.Client).MetricNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := admin.clientFor(p.env, queryTimeout)
			if err != nil {
				return err
			}
			defer c.Close()
			answer, err := q.ask(cmd.Context(), c, args[0], time.Now())
			if err != nil {
				return mistake(err, args[0])
			}
			return q.show(answer)
		},
	}
	admin.flags(cmd)
	cmd.Flags().Var(&q.at, "at", "evaluate at this `time`, "+momentUsage)
	cmd.Flags().Var(&q.from, "from", "evaluate over the time from this `time` on, "+momentUsage)
	cmd.Flags().Var(&q.to, "to", "the `time` at which that ends (default now)")
	cmd.Flags().Var(&q.step, "step", "the time between two points (default: a hundredth of the time)")
	cmd.Flags().BoolVar(&q.points, "points", false, "show every point instead of a graph")
	cmd.Flags().BoolVar(&q.asJSON, "json", false, "write JSON: the data of the API's answer")
	return cmd
}

// queryTimeout is a little more than the store lets a query take.
const queryTimeout = 70 * time.Second

// query asks for metrics.
type query struct {
	*program
	at, from, to   moment
	step           span
	points, asJSON bool
}

func (q *query) arguments(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) != 1 || strings.TrimSpace(args[0]) == "":
		return errors.New("give one expression, in quotes, such as 'sum(rate(gabion_requests_total[5m]))'")
	case q.at.given() && q.ranged():
		return errors.New("--at is one moment, --from, --to and --step are a time: give one or the other")
	case q.ranged() && !q.from.given():
		return errors.New("give --from as well, such as --from 1h")
	}
	return cobra.ExactArgs(1)(cmd, args)
}

// ranged says whether the expression is evaluated over a time.
func (q *query) ranged() bool { return q.from.given() || q.to.given() || q.step != 0 }

// defaultPoints is how many steps a time has when nothing is said.
const defaultPoints = 100

func (q *query) ask(ctx context.Context, c *client.Client, expr string, now time.Time) (client.Answer, error) {
	if !q.ranged() {
		return c.Query(ctx, expr, q.at.in(now))
	}
	from, to := q.from.in(now), q.to.in(now)
	if !to.After(from) {
		return client.Answer{}, usageError{errors.New("--from must be before --to")}
	}
	step := cmp.Or(time.Duration(q.step), max(to.Sub(from)/defaultPoints, time.Second).Round(time.Second))
	return c.QueryRange(ctx, expr, from, to, step)
}

// show writes an answer of series.
func (q *query) show(a client.Answer) error { return showSeries(q.program, a, q.points, q.asJSON) }

// showSeries writes an answer of series, and to standard error what the engine remarked.
func showSeries(p *program, a client.Answer, points, asJSON bool) error {
	for _, remark := range a.Remarks {
		fmt.Fprintf(p.err, "gabion: %s\n", remark)
	}
	if asJSON {
		return writeJSON(p.out, a.Data)
	}
	if len(a.Series) == 0 && a.Kind != client.String {
		fmt.Fprintln(p.err, "gabion: no series")
	}
	return write(p.out, view.Series(a, points, p.style()))
}

// usageError is a mistake on the command line that shows only when the command is at work.
type usageError struct{ error }

// Unwrap is the mistake.
func (e usageError) Unwrap() error { return e.error }

// place is how both query languages say where a mistake is.
var place = regexp.MustCompile(`\b(?:line (\d+), col (\d+)|(\d+):(\d+)): `)

// mistake shows the place of a mistake in a query, if that is what the gateway refused.
func mistake(err error, query string) error {
	refused, is := errors.AsType[*client.Error](err)
	if !is || refused.Status != http.StatusBadRequest {
		return err
	}
	found := place.FindStringSubmatch(refused.Detail)
	if found == nil {
		return err
	}
	line, err1 := strconv.Atoi(found[1] + found[3])
	column, err2 := strconv.Atoi(found[2] + found[4])
	if err1 != nil || err2 != nil {
		return err
	}
	if found[3] != "" { // PromQL counts bytes
		column = characters(query, line, column)
	}
	text := refused.Detail
	if shown := view.Mistake(query, line, column); shown != "" {
		text += "\n" + shown
	}
	return usageError{errors.New(text)}
}

// characters is the column in characters of one in bytes.
func characters(query string, line, column int) int {
	lines := strings.Split(query, "\n")
	if line < 1 || line > len(lines) || column < 1 || column > len(lines[line-1])+1 {
		return column
	}
	return utf8.RuneCountInString(lines[line-1][:column-1]) + 1
}

// completeWithin bounds how long somebody who pressed the tabulator waits.
const completeWithin = time.Second

// completeBy completes with what a running gateway knows; with nothing when it is not there.
func completeBy(p *program, a *admin, ask func(*client.Client, context.Context) ([]string, error)) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		c, err := a.clientFor(p.env, completeWithin)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer c.Close()
		names, err := ask(c, cmd.Context())
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var fitting []string
		for _, name := range names {
			if strings.HasPrefix(name, begun) {
				fitting = append(fitting, name)
			}
		}
		return fitting, cobra.ShellCompDirectiveNoFileComp
	}
}
