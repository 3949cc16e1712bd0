package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gabion-io/gabion/server/api/client"
)

// The bounds of following a log.
const (
	// firstWait and lastWait are how long it waits before it connects anew, doubled each time.
	firstWait = 250 * time.Millisecond
	lastWait  = 5 * time.Second
	// overlap is how far before the last line a new connection begins: lines do not come in order.
	overlap = 10 * time.Second
	// remembered is how many lines are kept in mind, and how many a new connection asks for.
	remembered = pageLines
)

// followAll shows lines as they come in until ctx ends. A gateway or a store that went away is waited for, unless it was
// not there in the first place.
func (l *logs) followAll(ctx context.Context, now time.Time) error {
	seen := recent{}
	connected, told := false, false
	from, limit, wait := l.begin(now), l.limit, firstWait
	for {
		tail, err := l.client.Tail(ctx, l.query, from, limit)
		if err == nil {
			if told {
				fmt.Fprintln(l.err, "gabion: connected again")
			}
			connected, told = true, false
			seen.connect()
			err = l.take(ctx, tail, &seen, func() { wait = firstWait })
			tail.Close()
		}
		refused, is := errors.AsType[*client.Error](err)
		wrote, broken := errors.AsType[*writeError](err)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // whoever follows wanted it to end
		case broken:
			return wrote.error
		case !connected || is && refused.Status < 500 && refused.Status != 429:
			return err
		case !told && !errors.Is(err, io.EOF):
			fmt.Fprintf(l.err, "gabion: %v; trying again …\n", err)
			told = true
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		wait = min(2*wait, lastWait)
		if !seen.last.IsZero() {
			from, limit = seen.last.Add(-overlap), remembered
		}
	}
}

// writeError is one of the output, which nothing can be done about.
type writeError struct{ error }

// take shows what comes over a connection until it breaks.
func (l *logs) take(ctx context.Context, tail *client.Tail, seen *recent, came func()) error {
	for {
		lines, dropped, err := tail.Next(ctx)
		if err != nil {
			return err
		}
		came()
		if dropped > 0 {
			fmt.Fprintf(l.err, "gabion: %d lines are left out: they come in faster than they can be shown\n", dropped)
		}
		if err := l.show(seen.fresh(lines), time.Now()); err != nil {
			return &writeError{err}
		}
	}
}

// recent are the last lines that were shown, so that none is shown again by the next connection.
type recent struct {
	last  time.Time // of the newest line
	order []string
	// again are those that the connection may tell again, and how often: lines may be alike.
	again map[string]int
}

// connect begins with the lines of a new connection.
func (r *recent) connect() {
	r.again = map[string]int{}
	for _, key := range r.order {
		r.again[key]++
	}
}

// fresh leaves out lines that were shown by an earlier connection, and remembers the others.
func (r *recent) fresh(lines []client.Line) []client.Line {
	return slices.DeleteFunc(lines, func(line client.Line) bool {
		key := identity(line)
		if r.again[key] > 0 {
			r.again[key]--
			return true
		}
		if line.At.After(r.last) {
			r.last = line.At
		}
		if r.order = append(r.order, key); len(r.order) > remembered {
			r.order = r.order[1:]
		}
		return false
	})
}

// identity tells a line from others.
func identity(line client.Line) string {
	var b strings.Builder
	b.WriteString(strconv.FormatInt(line.At.UnixNano(), 36))
	for _, name := range slices.Sorted(maps.Keys(line.Labels)) {
		b.WriteString("\x00" + name + "\x00" + line.Labels[name])
	}
	b.WriteString("\x00" + line.Text)
	return b.String()
}
