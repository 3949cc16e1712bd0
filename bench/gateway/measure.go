package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// result is what was measured of one contender.
type result struct {
	perRequest []float64 // µs of CPU per request, a value a round
	rate       []float64 // requests per second
	p99        []float64 // ms
	errors     int
	idle       float64 // MiB
	start      []float64
}

func measureAll(ctx context.Context, all []contender, rounds int, d time.Duration) (map[string]*result, error) {
	results := map[string]*result{}
	for round := range rounds {
		for i := range all {
			c := all[(i+round)%len(all)]
			if results[c.name] == nil {
				results[c.name] = &result{}
			}
			if err := measure(ctx, c, results[c.name], d); err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			r := results[c.name]
			fmt.Fprintf(os.Stderr, "round %d  %-20s %6.1f µs/request  %6.0f requests/s\n", round+1, c.name, r.perRequest[round], r.rate[round])
		}
	}
	return results, nil
}

// measure starts the contender, warms it up and puts it under load once.
func measure(ctx context.Context, c contender, r *result, d time.Duration) error {
	p, err := start(ctx, c)
	if err != nil {
		return err
	}
	defer p.stop()
	if _, err := load(ctx, c.port, time.Second); err != nil {
		return err
	}
	before, err := p.cpu()
	if err != nil {
		return err
	}
	l, err := load(ctx, c.port, d)
	if err != nil {
		return err
	}
	after, err := p.cpu()
	if err != nil {
		return err
	}
	r.perRequest = append(r.perRequest, float64(after-before)/float64(time.Microsecond)/l.requests)
	r.rate = append(r.rate, l.rate)
	r.p99 = append(r.p99, l.p99)
	r.errors += l.errors
	return nil
}

// loaded is what wrk reports.
type loaded struct {
	requests, rate, p99 float64
	errors              int
}

var (
	wrkRequests = regexp.MustCompile(`(\d+) requests in`)
	wrkRate     = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)
	wrkP99      = regexp.MustCompile(`99%\s+([\d.]+)(us|ms|s)`)
	wrkErrors   = regexp.MustCompile(`Non-2xx or 3xx responses: (\d+)`)
	wrkSockets  = regexp.MustCompile(`Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)`)
)

func load(ctx context.Context, port int, d time.Duration) (loaded, error) {
	out, err := exec.CommandContext(ctx, "wrk", "-t1", "-c64", fmt.Sprintf("-d%ds", int(d.Seconds())), "--latency",
		fmt.Sprintf("http://127.0.0.1:%d/item/4711", port)).CombinedOutput()
	if err != nil {
		return loaded{}, fmt.Errorf("wrk: %w\n%s", err, out)
	}
	number := func(re *regexp.Regexp, group int) float64 {
		m := re.FindSubmatch(out)
		if m == nil {
			return 0
		}
		v, err := strconv.ParseFloat(string(m[group]), 64)
		if err != nil {
			return 0 // the expressions match numbers only
		}
		return v
	}
	l := loaded{requests: number(wrkRequests, 1), rate: number(wrkRate, 1), p99: number(wrkP99, 1)}
	if m := wrkP99.FindSubmatch(out); m != nil {
		l.p99 *= map[string]float64{"us": 0.001, "ms": 1, "s": 1000}[string(m[2])]
	}
	l.errors = int(number(wrkErrors, 1))
	for group := 1; group <= 4; group++ {
		l.errors += int(number(wrkSockets, group))
	}
	if l.requests == 0 {
		return l, fmt.Errorf("wrk made no requests:\n%s", out)
	}
	return l, nil
}

// measureIdle measures the memory of everybody without load, two seconds after the start, and the time from the start to the
// first answer: five times, interleaved.
func measureIdle(ctx context.Context, all []contender, results map[string]*result) error {
	for range 5 {
		for _, c := range all {
			if err := idleOnce(ctx, c, results[c.name]); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
	}
	return nil
}

func idleOnce(ctx context.Context, c contender, r *result) error {
	p, err := start(ctx, c)
	if err != nil {
		return err
	}
	defer p.stop()
	r.start = append(r.start, float64(p.ready)/float64(time.Millisecond))
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(2 * time.Second):
	}
	mib, err := p.memory()
	r.idle = max(r.idle, mib)
	return err
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
