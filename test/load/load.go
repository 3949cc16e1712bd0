// Package load sends requests at a fixed rate, whatever becomes of them, and tells exactly what came back.
//
// It is an open loop: request i starts at i/rate, and its latency counts from that moment. A system that stalls does
// not get fewer requests for it, and the stall is in the figures. There is no hidden second try: the client is made
// of plain connections, because Go's own sends a request again when a connection breaks, which would hide the very
// failures that are looked for.
package load

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Load is what is sent. The zero value of every field means its default.
type Load struct {
	// Target gives the address to send the next request to.
	Target func() string
	// Rate is how many requests a second are sent. Default: 200.
	Rate int
	// For is how long. Default: ten seconds.
	For time.Duration
	// Posts is the share of POST requests; the others are GET. Default: 0.2. Negative: none.
	Posts float64
	// Deadline is how long an answer may take. Default: five seconds.
	Deadline time.Duration
	// Size is how many bytes an answer has. Default: 2000.
	Size int
	// Path is the path of all requests. Default: /item.
	Path string
	// User gives the value of X-User for request i. Default: no such field.
	User func(i int) string
	// Work is how long the backend is to work for each request. Default: what it was told.
	Work time.Duration
	// Name is in the ids of the requests, so that two loads at the same time can be told apart. Default: "r".
	Name string
}

const (
	// maxRequests bounds a load, because all its results are kept.
	maxRequests = 1_000_000
	// maxInFlight bounds the requests that wait for their answers. More are not sent and count as failed.
	maxInFlight = 5000
)

// Running is a load on its way.
type Running struct {
	load     Load
	started  time.Time
	stop     context.CancelFunc
	finished chan struct{}
	report   *Report
}

// Start starts sending. The load ends by itself after its time, or when ctx ends.
func (l Load) Start(ctx context.Context) *Running {
	l = l.withDefaults()
	ctx, stop := context.WithCancel(ctx)
	n := min(maxRequests, int(l.For.Seconds()*float64(l.Rate)))
	r := &Running{load: l, started: time.Now(), stop: stop, finished: make(chan struct{})}
	r.report = &Report{samples: make([]Sample, n)}
	go func() {
		defer close(r.finished)
		defer stop()
		r.send(ctx)
		r.report.samples.markStalls()
	}()
	return r
}

func (l Load) withDefaults() Load {
	if l.Rate == 0 {
		l.Rate = 200
	}
	if l.For == 0 {
		l.For = 10 * time.Second
	}
	if l.Posts == 0 {
		l.Posts = 0.2
	}
	if l.Deadline == 0 {
		l.Deadline = 5 * time.Second
	}
	if l.Size == 0 {
		l.Size = 2000
	}
	if l.Path == "" {
		l.Path = "/item"
	}
	if l.Name == "" {
		l.Name = "r"
	}
	return l
}

// Wait waits for the last answer and gives the report.
func (r *Running) Wait() *Report {
	<-r.finished
	return r.report
}

// End sends no more, and waits for the answers that are due.
func (r *Running) End() *Report {
	r.stop()
	return r.Wait()
}

// At waits until the load has run for d.
func (r *Running) At(d time.Duration) {
	timer := time.NewTimer(time.Until(r.started.Add(d)))
	defer timer.Stop()
	<-timer.C
}

// Elapsed is how long the load has been running.
func (r *Running) Elapsed() time.Duration { return time.Since(r.started) }

func (r *Running) send(ctx context.Context) {
	client := &client{load: r.load, idle: map[string][]*conn{}}
	defer client.close()
	var inFlight sync.WaitGroup
	defer inFlight.Wait()
	places := make(chan struct{}, maxInFlight)
	interval := time.Second / time.Duration(r.load.Rate)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for i := range r.report.samples {
		due := r.started.Add(time.Duration(i) * interval)
		if wait := time.Until(due); wait > 0 {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				r.report.samples = r.report.samples[:i]
				return
			}
		}
		sample := &r.report.samples[i]
		sample.ID, sample.Method, sample.At = r.load.id(i), r.load.method(i), due.Sub(r.started)
		sample.Sent = time.Since(r.started)
		select {
		case places <- struct{}{}:
		default:
			sample.Result = NotSent
			continue
		}
		inFlight.Go(func() {
			client.request(i, due, sample)
			<-places
		})
	}
}

// method spreads the POSTs evenly.
func (l *Load) method(i int) string {
	if l.Posts > 0 && int(float64(i+1)*l.Posts) > int(float64(i)*l.Posts) {
		return "POST"
	}
	return "GET"
}

func (l *Load) id(i int) string { return fmt.Sprintf("%s-%d", l.Name, i) }
