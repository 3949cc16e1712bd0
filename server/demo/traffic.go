package demo

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// customer is somebody who sends requests at a steady rate, whether or not they are answered.
type customer struct {
	name string
	rate int // requests per second
	// next is the n-th request: method and path.
	next func(n int) (method, path string)
}

// shopper looks at products and buys something now and then.
func shopper(name string, rate int) customer {
	return customer{name, rate, func(n int) (string, string) {
		switch {
		case n%10 == 9:
			return http.MethodPost, "/checkout"
		case n%5 == 3:
			return http.MethodGet, fmt.Sprintf("/recommendations/%d", n%20+1)
		}
		return http.MethodGet, fmt.Sprintf("/product/%d", n%20+1)
	}}
}

// customers are the three who are always there.
var customers = []customer{shopper("alice", 20), shopper("bob", 20), shopper("carol", 20)}

// limitOfFlight bounds the requests that wait for an answer at the same time.
const limitOfFlight = 2000

// traffic sends requests to the gateway.
type traffic struct {
	base   string
	client *http.Client
}

func newTraffic(base string) *traffic {
	return &traffic{base: base, client: &http.Client{
		Timeout:   15 * time.Second,
		Transport: &http.Transport{MaxIdleConnsPerHost: 256, MaxIdleConns: 512},
	}}
}

// saw is what one customer saw.
type saw struct {
	ok, limited, failed, degraded int
	took                          []time.Duration
	example                       string // of a failure
}

// sending is traffic under way.
type sending struct {
	cancel context.CancelFunc
	wait   sync.WaitGroup
	mu     sync.Mutex
	seen   map[string]*saw
}

// start lets the customers send until stop, or until the context ends.
func (t *traffic) start(ctx context.Context, all ...customer) *sending {
	s := &sending{seen: map[string]*saw{}}
	sendCtx, cancel := context.WithCancel(ctx)
	s.cancel = cancel
	slots := make(chan struct{}, limitOfFlight)
	for _, c := range all {
		s.seen[c.name] = &saw{}
		s.wait.Go(func() { t.send(ctx, sendCtx, c, s, slots) })
	}
	return s
}

// send sends at the customer's rate until sending ends; requests under way may finish under ctx.
func (t *traffic) send(ctx, sending context.Context, c customer, s *sending, slots chan struct{}) {
	tick := time.NewTicker(time.Second / time.Duration(c.rate))
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-sending.Done():
			return
		case <-tick.C:
		}
		method, path := c.next(n)
		select {
		case slots <- struct{}{}:
		default:
			s.note(c.name, 0, false, 0, "too many requests wait for an answer")
			continue
		}
		s.wait.Go(func() {
			defer func() { <-slots }()
			t.one(ctx, c.name, method, path, s)
		})
	}
}

func (t *traffic) one(ctx context.Context, name, method, path string, s *sending) {
	began := time.Now()
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader(`{"product": 7, "quantity": 1}`)
	}
	req, err := http.NewRequestWithContext(ctx, method, t.base+path, body)
	if err != nil {
		s.note(name, 0, false, 0, err.Error())
		return
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", rand.Text())
	}
	req.Header.Set("X-Api-Key", name)
	resp, err := t.client.Do(req)
	if err != nil {
		s.note(name, 0, false, time.Since(began), err.Error())
		return
	}
	_, err = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	if err != nil {
		s.note(name, 0, false, time.Since(began), err.Error())
		return
	}
	problem := ""
	if resp.StatusCode >= 400 {
		problem = fmt.Sprintf("%s %s: %s", method, path, resp.Status)
	}
	s.note(name, resp.StatusCode, resp.Header.Get("X-Gabion-Degraded") != "", time.Since(began), problem)
}

func (s *sending) note(name string, status int, degraded bool, took time.Duration, problem string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.seen[name]
	seen.took = append(seen.took, took)
	switch {
	case status >= 200 && status < 300:
		seen.ok++
		if degraded {
			seen.degraded++
		}
	case status == http.StatusTooManyRequests:
		seen.limited++
	default:
		seen.failed++
		seen.example = problem
	}
}

// stop ends the sending, waits for the answers and returns what everybody saw.
func (s *sending) stop() map[string]*saw {
	s.cancel()
	s.wait.Wait()
	return s.seen
}

// add puts what another saw to it.
func (w *saw) add(o *saw) {
	w.ok, w.limited, w.failed, w.degraded = w.ok+o.ok, w.limited+o.limited, w.failed+o.failed, w.degraded+o.degraded
	w.took = append(w.took, o.took...)
	if o.example != "" {
		w.example = o.example
	}
}

func (w *saw) total() int { return w.ok + w.limited + w.failed }

func (w *saw) p99() time.Duration {
	if len(w.took) == 0 {
		return 0
	}
	slices.Sort(w.took)
	return w.took[len(w.took)*99/100].Round(time.Millisecond)
}

// String is what it looks like to the customer.
func (w *saw) String() string {
	text := fmt.Sprintf("%d requests: %d ok", w.total(), w.ok)
	if w.degraded > 0 {
		text += fmt.Sprintf(" (%d of them degraded)", w.degraded)
	}
	if w.limited > 0 {
		text += fmt.Sprintf(", %d limited (429)", w.limited)
	}
	text += fmt.Sprintf(", %d failed, p99 %v", w.failed, w.p99())
	if w.example != "" {
		text += "; for example " + w.example
	}
	return text
}
