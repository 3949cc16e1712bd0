package forward

import (
	"context"
	"sync"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/hedge"
	"github.com/gabion-io/gabion/server/gateway/service"
	"github.com/gabion-io/gabion/server/gateway/upstream"
)

// race is an attempt that takes long, and others beside it that go to other endpoints where there are some. The first good
// answer counts. The attempt itself stays on the goroutine of the exchange; each of the others has the one of a timer.
// None of them goes on when the call is over.
type race struct {
	call   *call
	hedge  *hedge.Hedge
	first  trip
	hash   uint64
	after  time.Duration
	others sync.WaitGroup

	mu      sync.Mutex
	timer   *time.Timer
	left    int // how many more there may be
	running int // beside the first
	alone   bool
	cancels map[*trip]context.CancelFunc
	winner  *trip         // the one that counts; nil: not decided yet
	decided chan struct{} // closed when it is
	unwound any           // what one of the others panicked with
}

// dispatch sends the request, and again beside that when it takes long and may be carried out twice.
func (c *call) dispatch(r trip) trip {
	h := c.at.service.Hedge()
	if h == nil || c.stream != nil || c.x.Request.Upgrade != "" || !c.at.rules.repeatable(&c.x.Request) {
		c.send(c.context, &r)
		return r
	}
	began := r.began
	h.Start(began)
	if after := h.Delay(began); after > 0 {
		r = c.hedged(h, r, after)
	} else {
		c.send(c.context, &r)
	}
	if r.good() {
		h.Learn(r.began+r.reply.Head-began, r.beside)
	}
	return r
}

func (r *trip) good() bool { return r.failure == nil && judgeReply(r.reply) == gabion.Success }

// hedged is the run that counts.
func (c *call) hedged(h *hedge.Hedge, first trip, after time.Duration) trip {
	r := &race{
		call: c, hedge: h, first: first, hash: c.hash(), after: after, left: h.Max(),
		cancels: map[*trip]context.CancelFunc{}, decided: make(chan struct{}),
	}
	c.race = r
	ctx, cancel := context.WithCancel(c.context)
	r.mu.Lock()
	r.cancels[&r.first] = cancel
	r.timer = time.AfterFunc(after, r.another)
	r.mu.Unlock()
	c.send(ctx, &r.first)
	r.firstEnded()
	<-r.decided
	if r.unwound != nil {
		if r.first.reply != nil {
			r.first.reply.Discard()
		}
		panic(r.unwound)
	}
	if r.winner != &r.first {
		r.lose(&r.first)
	}
	c.lease = r.winner.lease
	return *r.winner
}

// another makes one more run, on the goroutine of the timer.
func (r *race) another() {
	now := gabion.Now()
	next, ctx := r.begin(now)
	if next == nil {
		return
	}
	defer r.others.Done()
	defer func() {
		if v := recover(); v != nil {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.unwound = v
			r.decide(&trip{})
			next.lease.Done(now, service.Result{Outcome: gabion.Ignored})
		}
	}()
	next.head = upstream.Prepare(r.call.x)
	r.call.send(ctx, next)
	r.mu.Lock()
	r.running--
	if r.winner == nil && (next.good() || r.alone && r.running == 0) {
		r.decide(next)
	}
	lost := r.winner != next
	r.mu.Unlock()
	if lost {
		r.lose(next)
	}
}

// begin takes an endpoint for one more run; nil when there is none to be made.
func (r *race) begin(now gabion.Instant) (*trip, context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.left == 0 || r.winner != nil || r.call.over(now) != nil {
		return nil, nil
	}
	if r.left--; r.left > 0 {
		r.timer.Reset(r.after)
	}
	if !r.hedge.Another(now) {
		return nil, nil
	}
	c := r.call
	lease, err := c.at.service.Pick(now, r.hash, c.tried)
	if err != nil {
		return nil, nil // those that are running may still answer
	}
	c.tried = append(c.tried, lease.Endpoint)
	c.x.Record.Attempts++
	next := &trip{lease: lease, number: r.first.number + 1, began: now, beside: true}
	ctx, cancel := context.WithCancel(c.context)
	r.cancels[next] = cancel
	r.running++
	r.others.Add(1)
	return next, ctx
}

// firstEnded takes note of the end of the first run.
func (r *race) firstEnded() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left, r.alone = 0, true
	if r.winner == nil && (r.first.good() || r.running == 0) {
		r.decide(&r.first)
	}
}

// decide ends all runs but the winner. The lock is held.
func (r *race) decide(winner *trip) {
	if r.winner != nil {
		return
	}
	r.winner, r.left = winner, 0
	r.timer.Stop()
	for other, cancel := range r.cancels {
		if other != winner {
			cancel()
		}
	}
	close(r.decided)
}

// lose gives back what a run holds that does not count.
func (r *race) lose(loser *trip) {
	if loser.reply != nil {
		loser.reply.Discard()
	}
	loser.lease.Done(gabion.Now(), loser.result())
}

// endRace ends what is left of a race: nothing may use the exchange any more.
func (c *call) endRace() {
	r := c.race
	if r == nil {
		return
	}
	c.race = nil
	r.mu.Lock()
	r.decide(&r.first)
	for _, cancel := range r.cancels {
		cancel()
	}
	r.mu.Unlock()
	r.others.Wait()
}
