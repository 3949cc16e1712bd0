package demo

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// chapter is one thing that goes wrong.
type chapter struct {
	title string
	// why says what would happen without Gabion.
	why string
	// break_ makes it go wrong and returns what makes it right again; both may be nil.
	break_ func(context.Context) (repair func(context.Context) error, err error)
	lasts  time.Duration
	// guest is somebody who comes only for this chapter.
	guest *customer
	// held judges what the regular customers and the guest saw; it returns what was expected.
	held func(regular, guest *saw) (expected string, ok bool)
}

// teller tells the story.
type teller struct {
	opt     Options
	shop    *shop
	gateway Gateway
	traffic *traffic
	rows    []row
}

// row is a line of the summary.
type row struct{ title, saw, expected, verdict string }

func (t *teller) tell(ctx context.Context) (held bool, err error) {
	held = true
	for i, c := range t.chapters() {
		fmt.Fprintf(t.opt.Out, "%d. %s\n   %s\n", i+1, c.title, c.why)
		ok, err := t.live(ctx, c)
		if err != nil {
			return false, fmt.Errorf("%s: %w", c.title, err)
		}
		held = held && ok
	}
	return held, t.summary()
}

// live lets a chapter happen.
func (t *teller) live(ctx context.Context, c chapter) (bool, error) {
	_, since := t.gateway.Events(0)
	all := customers
	if c.guest != nil {
		all = append(slices.Clip(all), *c.guest)
	}
	run := t.traffic.start(ctx, all...)
	err := t.during(ctx, c)
	seen := run.stop()
	if err != nil {
		return false, err
	}
	regular, guest := &saw{}, &saw{}
	for name, w := range seen {
		if c.guest != nil && name == c.guest.name {
			guest = w
		} else {
			regular.add(w)
		}
	}
	expected, ok := c.held(regular, guest)
	t.report(c, regular, guest, since, expected, ok)
	return ok, nil
}

// during breaks, waits and repairs.
func (t *teller) during(ctx context.Context, c chapter) error {
	var repair func(context.Context) error
	if c.break_ != nil {
		if err := wait(ctx, t.opt.stretch(time.Second)); err != nil {
			return err
		}
		var err error
		if repair, err = c.break_(ctx); err != nil {
			return err
		}
	}
	if err := wait(ctx, t.opt.stretch(c.lasts)); err != nil {
		return err
	}
	if repair == nil {
		return nil
	}
	if err := repair(ctx); err != nil {
		return err
	}
	return wait(ctx, t.opt.stretch(time.Second))
}

func (t *teller) report(c chapter, regular, guest *saw, since uint64, expected string, ok bool) {
	verdict := "held"
	if !ok {
		verdict = "NOT HELD"
	}
	fmt.Fprintf(t.opt.Out, "   customers saw: %v\n", regular)
	text := fmt.Sprintf("%d requests, %d failed, p99 %v", regular.total(), regular.failed, regular.p99())
	if c.guest != nil {
		fmt.Fprintf(t.opt.Out, "   %s saw: %v\n", c.guest.name, guest)
		text += fmt.Sprintf("; %s: %d ok, %d limited", c.guest.name, guest.ok, guest.limited)
	}
	lines, _ := t.gateway.Events(since)
	for _, line := range lines {
		fmt.Fprintf(t.opt.Out, "   gabion: %s\n", line)
	}
	fmt.Fprintf(t.opt.Out, "   expected: %s → %s\n\n", expected, verdict)
	t.rows = append(t.rows, row{c.title, text, expected, verdict})
}

func (t *teller) summary() error {
	w := tabwriter.NewWriter(t.opt.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "WHAT WENT WRONG\tWHAT CLIENTS SAW\tEXPECTED\t")
	for _, r := range t.rows {
		fmt.Fprintln(w, strings.Join([]string{r.title, r.saw, r.expected, r.verdict}, "\t"))
	}
	return w.Flush()
}

func (t *teller) chapters() []chapter {
	noneFailed := func(regular, _ *saw) (string, bool) { return "no request fails", regular.failed == 0 && regular.ok > 0 }
	reporter := customer{"report", 3, func(int) (string, string) { return http.MethodGet, "/report" }}
	crawler := customer{"crawler", 500, shopper("", 0).next}
	return []chapter{
		{title: "All is well", why: "Three customers look at products and buy.", lasts: 3 * time.Second, held: noneFailed},
		{
			title: "A catalog replica is killed", lasts: 5 * time.Second, held: noneFailed,
			why:    "Without Gabion half of the requests fail until somebody notices.",
			break_: t.shop.kill("catalog-1"),
		},
		{
			title: "A catalog replica hangs", lasts: 5 * time.Second, held: noneFailed,
			why:    "It takes connections and never answers: the worst kind of failure. Without Gabion half of the requests hang.",
			break_: t.shop.freeze("catalog-2"),
		},
		{
			title: "Recommendations fail", lasts: 5 * time.Second,
			why:    "All of them. They are nice to have: the shop goes on without.",
			break_: t.shop.fail("recommendations"),
			held: func(regular, _ *saw) (string, bool) {
				return "a fallback answers, no request fails", regular.failed == 0 && regular.degraded > 0
			},
		},
		{
			title: "A customer sends ten times its rate", lasts: 5 * time.Second, guest: &crawler,
			why: "50 requests per second are allowed, 500 come.",
			held: func(regular, guest *saw) (string, bool) {
				return "it is limited, nobody else notices", regular.failed+regular.limited == 0 && guest.limited > guest.ok
			},
		},
		{
			title: "A customer sends few, but slow requests", lasts: 12 * time.Second, guest: &reporter,
			why: "3 reports per second are within the count, but each takes a second of the catalog's time.",
			held: func(regular, guest *saw) (string, bool) {
				return "it is limited by server time, nobody else notices", regular.failed+regular.limited == 0 && guest.limited > 0 && guest.ok > 0
			},
		},
	}
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
