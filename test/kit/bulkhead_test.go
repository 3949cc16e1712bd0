package kit

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/bulkhead"
	"pgregory.net/rapid"
)

// Any sequence of calls that begin, wait, give up, end, and of changes of the configuration gives the places out as a plain
// queue does: in order, none lost, none too many.
func TestBulkheadFollowsItsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var failed any
		synctest.Test(t, func(t *testing.T) {
			defer func() { failed = recover() }() // rapid fails by a panic, and on its own goroutine only
			m := &bulkheadModel{t: t, config: drawBulkhead(rt)}
			var err error
			if m.real, err = bulkhead.New(m.config); err != nil {
				rt.Fatal(err)
			}
			rt.Repeat(map[string]func(*rapid.T){
				"acquire": m.acquire, "try": m.try, "end": m.end, "cancel": m.cancel, "wait": m.wait, "update": m.update, "": m.check,
			})
			m.finish(rt)
		})
		if failed != nil {
			panic(failed)
		}
	})
}

func drawBulkhead(t *rapid.T) bulkhead.Config {
	return bulkhead.Config{
		Concurrency: rapid.IntRange(1, 4).Draw(t, "concurrency"),
		Queue:       rapid.SampledFrom([]int{0, 1, 2, 5, gabion.Off}).Draw(t, "queue"),
		Wait:        time.Duration(rapid.IntRange(1, 10).Draw(t, "wait")) * 10 * time.Millisecond,
	}
}

type bulkheadModel struct {
	t       *testing.T
	real    *bulkhead.Bulkhead
	config  bulkhead.Config
	calls   []*bulkheadCall
	running int
	queue   []*bulkheadCall
	refused uint64
}

// bulkheadCall is a call that waits; state is what the model says of it, result is what the bulkhead said.
type bulkheadCall struct {
	cancel  context.CancelFunc
	expires time.Time
	want    string // "waits", "runs", "refused"
	result  chan error
	got     string
}

func (m *bulkheadModel) acquire(*rapid.T) {
	ctx, cancel := context.WithCancel(m.t.Context())
	c := &bulkheadCall{cancel: cancel, expires: time.Now().Add(m.config.Wait), want: "waits", got: "waits", result: make(chan error, 1)}
	m.calls = append(m.calls, c)
	switch {
	case m.running < m.config.Concurrency:
		m.running++
		c.want = "runs"
	case len(m.queue) < m.config.Queue:
		m.queue = append(m.queue, c)
	default:
		m.refuse(c)
	}
	go func() {
		_, err := m.real.Acquire(ctx, gabion.Now())
		c.result <- err
	}()
	synctest.Wait()
}

func (m *bulkheadModel) try(t *rapid.T) {
	_, err := m.real.TryAcquire(gabion.Now())
	if want := m.running < m.config.Concurrency; want != (err == nil) {
		t.Fatalf("%d of %d run: %v", m.running, m.config.Concurrency, err)
	}
	if err != nil {
		m.refused++
		return
	}
	m.running++
	c := &bulkheadCall{cancel: func() {}, want: "runs", got: "runs", result: make(chan error, 1)}
	m.calls = append(m.calls, c)
}

func (m *bulkheadModel) end(t *rapid.T) {
	c := m.pick(t, "runs")
	if c == nil {
		return
	}
	c.cancel()
	m.forget(c)
	m.real.Done(gabion.Ticket{}, gabion.Result{})
	m.running--
	m.grant()
	synctest.Wait()
}

func (m *bulkheadModel) cancel(t *rapid.T) {
	c := m.pick(t, "waits")
	if c == nil {
		return
	}
	c.cancel()
	m.leave(c)
	synctest.Wait()
}

func (m *bulkheadModel) wait(t *rapid.T) {
	time.Sleep(time.Duration(rapid.IntRange(1, 50).Draw(t, "ms")) * time.Millisecond)
	synctest.Wait()
	for _, c := range slices.Clone(m.queue) {
		if !time.Now().Before(c.expires) {
			c.cancel()
			m.leave(c)
		}
	}
}

func (m *bulkheadModel) update(t *rapid.T) {
	m.config = drawBulkhead(t)
	if err := m.real.Update(m.config); err != nil {
		t.Fatal(err)
	}
	m.grant()
	synctest.Wait()
}

func (m *bulkheadModel) check(t *rapid.T) {
	for i, c := range m.calls {
		select {
		case err := <-c.result:
			c.got = "runs"
			if err != nil {
				c.got = "refused"
			}
		default:
		}
		if c.got != c.want {
			t.Fatalf("call %d: %s, want %s", i, c.got, c.want)
		}
	}
	want := bulkhead.Snapshot{InFlight: m.running, Queued: len(m.queue), Refused: m.refused}
	if got := m.real.Snapshot(); got != want {
		t.Fatalf("%+v, want %+v", got, want)
	}
}

// finish ends all calls, so that no goroutine is left.
func (m *bulkheadModel) finish(t *rapid.T) {
	for range 2 * len(m.calls) {
		synctest.Wait()
		m.check(t)
		if i := slices.IndexFunc(m.calls, func(c *bulkheadCall) bool { return c.want == "runs" }); i >= 0 {
			m.calls[i].cancel()
			m.forget(m.calls[i])
			m.real.Done(gabion.Ticket{}, gabion.Result{})
			m.running--
			m.grant()
		}
	}
	if got := m.real.Snapshot(); got.InFlight != 0 || got.Queued != 0 {
		t.Fatalf("left over: %+v", got)
	}
}

func (m *bulkheadModel) grant() {
	for len(m.queue) > 0 && m.running < m.config.Concurrency {
		m.queue[0].want = "runs"
		m.queue = m.queue[1:]
		m.running++
	}
}

func (m *bulkheadModel) leave(c *bulkheadCall) {
	m.queue = slices.DeleteFunc(m.queue, func(other *bulkheadCall) bool { return other == c })
	m.refuse(c)
}

func (m *bulkheadModel) refuse(c *bulkheadCall) {
	c.want = "refused"
	m.refused++
}

func (m *bulkheadModel) forget(c *bulkheadCall) {
	m.calls = slices.DeleteFunc(m.calls, func(other *bulkheadCall) bool { return other == c })
}

// pick is one of the calls in a state, nil when there is none.
func (m *bulkheadModel) pick(t *rapid.T, state string) *bulkheadCall {
	var all []*bulkheadCall
	for _, c := range m.calls {
		if c.want == state {
			all = append(all, c)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all[rapid.IntRange(0, len(all)-1).Draw(t, "which")]
}
