package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/gabion-io/gabion/server/api/client"
	"github.com/gabion-io/gabion/server/logs/entry"
	"github.com/gabion-io/gabion/server/logs/logql"
	"github.com/gabion-io/gabion/server/view"
	"github.com/spf13/cobra"
)

func newLogs(p *program) *cobra.Command {
	l := logs{program: p}
	var admin admin
	cmd := &cobra.Command{
		Use:   "logs [LOGQL]",
		Short: "Show log lines that a running gateway keeps, or follow them",
		Long: `Shows the newest lines that match, the oldest of them first: those of a LogQL query, or of the flags, or of both. A query that
counts lines is shown as gabion query does. With --follow, it goes on with what comes in until it is interrupted.

Times are local; in JSON, one line each, they are in UTC.`,
		Example: `  gabion logs --level error --since 1h
  gabion logs -f --service shop --grep 'time(d )?out'
  gabion logs '{service="shop"} | status >= 500' --since 14:30 --limit 1000
  gabion logs 'sum by (handler) (count_over_time({level="error"} [10m]))' --since 1d`,
		Args:              l.arguments,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := admin.clientFor(p.env, queryTimeout)
			if err != nil {
				return err
			}
			defer c.Close()
			l.client = c
			if !l.follow {
				return mistake(l.find(cmd.Context(), time.Now()), l.query)
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return mistake(l.followAll(ctx, time.Now()), l.query)
		},
	}
	admin.flags(cmd)
	l.flags(cmd)
	services := func(c *client.Client, ctx context.Context) ([]string, error) { return c.LogValues(ctx, "service") }
	for name, complete := range map[string]cobra.CompletionFunc{
		"service": completeBy(p, &admin, services),
		"level":   cobra.FixedCompletions(levels(entry.Trace), cobra.ShellCompDirectiveNoFileComp),
	} {
		if err := cmd.RegisterFlagCompletionFunc(name, complete); err != nil {
			panic(err) // the flag was added above
		}
	}
	return cmd
}

// logs asks for log lines.
type logs struct {
	*program
	client         *client.Client
	service, level string
	grep           []string
	since, until   moment
	limit          int
	follow, asJSON bool

	query   string // what is asked for
	numbers bool   // it counts
	told    []string
}

func (l *logs) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&l.service, "service", "s", "", "only lines of this `service`")
	f.StringVarP(&l.level, "level", "l", "", "only lines of this `level` or a graver one: trace, debug, info, warn, error, fatal")
	f.StringArrayVarP(&l.grep, "grep", "g", nil, "only lines whose message has a match of this `regexp`; may be repeated: then all of them")
	f.Var(&l.since, "since", "only lines since this `time`, "+momentUsage+" (default 1h)")
	f.Var(&l.until, "until", "only lines before this `time` (default now)")
	f.IntVarP(&l.limit, "limit", "n", 0, "at most so many `lines`, the newest ones (default 100; with --follow, 10 of those before now)")
	f.BoolVarP(&l.follow, "follow", "f", false, "go on with what comes in")
	f.BoolVar(&l.asJSON, "json", false, "write JSON, one line for each")
}

// arguments makes the query.
func (l *logs) arguments(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) > 1:
		return errors.New("give one query, in quotes, such as '{service=\"shop\"} |= \"timeout\"'")
	case l.limit < 0 || l.limit > maxLimit || l.limit == 0 && cmd.Flags().Changed("limit"):
		return fmt.Errorf("--limit %d: from 1 to %d", l.limit, maxLimit)
	case l.limit > pageLines && l.follow:
		return fmt.Errorf("--limit %d: at most %d with --follow", l.limit, pageLines)
	case l.follow && l.until.given():
		return errors.New("--follow goes on for ever: leave --until out")
	case l.level != "" && entry.ParseLevel(l.level) == entry.Unknown:
		return fmt.Errorf("--level %q: one of %s", l.level, strings.Join(levels(entry.Trace), ", "))
	}
	e := logql.Expr(&logql.LogExpr{})
	if text := strings.Join(args, ""); strings.TrimSpace(text) != "" {
		var err error
		if e, err = logql.Parse(text); err != nil {
			return pointed(err, text)
		}
	}
	lines, are := e.(*logql.LogExpr)
	switch {
	case are:
		if err := l.narrow(lines); err != nil {
			return err
		}
	case l.service != "" || l.level != "" || len(l.grep) > 0:
		return errors.New("--service, --level and --grep do not go with a query that counts: write them in its selector")
	case l.follow:
		return errors.New("--follow shows lines as they come in: a query that counts cannot be followed")
	}
	l.query, l.numbers = e.String(), !are
	switch {
	case l.limit == 0 && l.follow:
		l.limit = 10
	case l.limit == 0:
		l.limit = 100
	}
	return nil
}

// narrow adds what the flags say to a query.
func (l *logs) narrow(e *logql.LogExpr) error {
	match := func(name, op, value string) error {
		m, err := logql.NewMatcher(name, op, value)
		e.Matchers = append(e.Matchers, m)
		return err
	}
	if l.service != "" {
		if err := match("service", "=", l.service); err != nil {
			return fmt.Errorf("--service: %w", err)
		}
	}
	if l.level != "" {
		if err := match("level", "=~", strings.Join(levels(entry.ParseLevel(l.level)), "|")); err != nil {
			return fmt.Errorf("--level: %w", err)
		}
	}
	var filters []logql.Stage
	for _, text := range l.grep {
		op := "|~"
		if regexp.QuoteMeta(text) == text {
			op = "|=" // the same, and found sooner
		}
		if _, err := regexp.Compile(text); err != nil {
			return fmt.Errorf("--grep: %w", err)
		}
		filters = append(filters, &logql.LineFilter{Op: op, Texts: []string{text}})
	}
	// Before the other stages, which may change the text.
	e.Stages = slices.Concat(filters, e.Stages)
	return nil
}

// pointed shows the place of a mistake.
func pointed(err error, query string) error {
	at, is := errors.AsType[*logql.Error](err)
	if !is {
		return err
	}
	return fmt.Errorf("%w\n%s", err, view.Mistake(query, at.Line, at.Column))
}

// levels are the words for a level and the graver ones.
func levels(from entry.Level) (words []string) {
	for l := from; l <= entry.Fatal; l++ {
		words = append(words, l.String())
	}
	return words
}

// maxLimit bounds the lines that are held in memory to be shown in order.
const maxLimit = 1_000_000

// defaultSince is how far back lines are looked for when nothing is said.
const defaultSince = time.Hour

// begin is since when lines are wanted.
func (l *logs) begin(now time.Time) time.Time {
	if l.since.given() {
		return l.since.in(now)
	}
	return l.until.in(now).Add(-defaultSince)
}

// find shows what there is.
func (l *logs) find(ctx context.Context, now time.Time) error {
	from, to := l.begin(now), l.until.in(now)
	if !to.After(from) {
		return usageError{errors.New("--since must be before --until")}
	}
	if l.numbers {
		answer, err := l.client.Logs(ctx, l.query, from, to, l.limit)
		if err != nil {
			return err
		}
		return showSeries(l.program, answer, false, l.asJSON)
	}
	lines, err := l.newest(ctx, from, to)
	if err != nil {
		return err
	}
	if err := l.show(lines, now); err != nil {
		return err
	}
	switch len(lines) {
	case 0:
		fmt.Fprintf(l.err, "gabion: no lines from %s to %s\n", from.Format(time.DateTime), to.Format(time.DateTime))
	case l.limit:
		fmt.Fprintf(l.err, "gabion: the newest %s; --limit shows more\n", count(l.limit, "line"))
	}
	return nil
}

// tell says what answers lack, everything once.
func (l *logs) tell(remarks []string) {
	for _, remark := range remarks {
		if !slices.Contains(l.told, remark) {
			l.told = append(l.told, remark)
			fmt.Fprintf(l.err, "gabion: %s\n", remark)
		}
	}
}

// show writes lines.
func (l *logs) show(lines []client.Line, now time.Time) error {
	var b strings.Builder
	for _, line := range lines {
		if !l.asJSON {
			b.WriteString(view.Line(line, now, l.style()))
			continue
		}
		text, err := view.LineJSON(line)
		if err != nil {
			return err
		}
		b.WriteString(text)
	}
	return write(l.out, b.String())
}
