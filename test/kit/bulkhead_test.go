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
// list of lines does: in turn, in order or the newest first, none lost, none too many.
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
		Interval:    rapid.SampledFrom([]time.Duration{gabion.Off, 20 * time.Millisecond, 50 * time.Millisecond}).Draw(t, "interval"),
		Target:      7 * time.Millisecond,
		MaxTenants:  10, // fewer than there are keys: lines are shared in a test of the package itself
	}
}

type bulkheadModel struct {
	t       *testing.T
	real    *bulkhead.Bulkhead
	config  bulkhead.Config
	calls   []*bulkheadCall
	running int
	lines   []*bulkheadLine // in the order of their turns
	since   time.Time       // when nobody waited
	changes int
	refused uint64
}

// bulkheadLine is those who wait for one key, the oldest first. changed is when their number did last.
type bulkheadLine struct {
	key     string
	calls   []*bulkheadCall
	changed int
}

// bulkheadCall is a call that waits; state is what the model says of it, result is what the bulkhead said.
type bulkheadCall struct {
	cancel  context.CancelFunc
	since   time.Time
	expires time.Time
	want    string // "waits", "runs", "refused"
	result  chan error
	got     string
}

func (m *bulkheadModel) acquire(t *rapid.T) {
	key := rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(t, "key")
	m.pass(time.Microsecond) // no two calls come, and give up, at the same instant
	ctx, cancel := context.WithCancel(gabion.WithTenant(m.t.Context(), key))
	c := &bulkheadCall{cancel: cancel, since: time.Now(), want: "waits", got: "waits", result: make(chan error, 1)}
	m.calls = append(m.calls, c)
	if m.running < m.config.Concurrency {
		m.running++
		c.want = "runs"
	} else {
		m.lineUp(c, key)
	}
	go func() {
		_, err := m.real.Acquire(ctx, gabion.Now())
		c.result <- err
	}()
	synctest.Wait()
}

// lineUp puts a call into the queue, if it has room or somebody has to make room.
func (m *bulkheadModel) lineUp(c *bulkheadCall, key string) {
	pressed, wait := m.pressed(), m.config.Wait
	if pressed {
		wait = min(wait, m.config.Target)
	}
	c.expires = c.since.Add(wait)
	if m.config.Queue <= 0 {
		m.refuse(c)
		return
	}
	if len(m.waiting()) >= m.config.Queue {
		victim := m.yields(key, pressed, wait)
		if victim == nil {
			m.refuse(c)
			return
		}
		m.leave(victim)
	}
	if len(m.waiting()) == 0 {
		m.since = c.since
	}
	l := m.line(key)
	if l == nil {
		l = &bulkheadLine{key: key}
		if pressed && len(m.waiting()) > 0 {
			m.lines = append([]*bulkheadLine{l}, m.lines...)
		} else {
			m.lines = append(m.lines, l)
		}
	}
	l.calls = append(l.calls, c)
	m.change(l)
}

func (m *bulkheadModel) change(l *bulkheadLine) { m.changes++; l.changed = m.changes }

// yields is who makes room for one more call of the key.
func (m *bulkheadModel) yields(key string, pressed bool, wait time.Duration) *bulkheadCall {
	own, longest := m.line(key), m.lines[0]
	for _, l := range m.lines {
		if n := len(l.calls) - len(longest.calls); n > 0 || n == 0 && l.changed > longest.changed {
			longest = l
		}
	}
	length := 0
	if own != nil {
		length = len(own.calls)
	}
	if len(longest.calls) > length+1 {
		if pressed {
			return longest.calls[0]
		}
		return longest.calls[len(longest.calls)-1]
	}
	if !pressed {
		return nil
	}
	for i := len(m.lines) - 1; length == 0 && (own == nil || len(own.calls) == 0); i-- {
		own = m.lines[i]
	}
	if time.Since(own.calls[0].since) < wait {
		return nil
	}
	return own.calls[0]
}

func (m *bulkheadModel) line(key string) *bulkheadLine {
	if i := slices.IndexFunc(m.lines, func(l *bulkheadLine) bool { return l.key == key }); i >= 0 {
		return m.lines[i]
	}
	return nil
}

// waiting is all who wait. When it is nobody, all lines are forgotten.
func (m *bulkheadModel) waiting() (all []*bulkheadCall) {
	for _, l := range m.lines {
		all = append(all, l.calls...)
	}
	if len(all) == 0 {
		m.lines = nil
	}
	return all
}

func (m *bulkheadModel) pressed() bool {
	return m.config.Interval > 0 && len(m.waiting()) > 0 && time.Since(m.since) > m.config.Interval
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
	m.pass(time.Duration(rapid.IntRange(1, 50).Draw(t, "ms")) * time.Millisecond)
}

// pass lets time pass, in which calls have waited for too long.
func (m *bulkheadModel) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
	for _, c := range slices.SortedFunc(slices.Values(m.waiting()), func(a, b *bulkheadCall) int { return a.expires.Compare(b.expires) }) {
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
	got := m.real.Snapshot()
	if got.InFlight != m.running || got.Queued != len(m.waiting()) || got.Refused != m.refused || got.Pressed != m.pressed() {
		t.Fatalf("%+v, want %d in flight, %d queued, %d refused, pressed %v", got, m.running, len(m.waiting()), m.refused, m.pressed())
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
	for m.running < m.config.Concurrency && len(m.waiting()) > 0 {
		l, newest := m.lines[0], m.pressed()
		m.lines = m.lines[1:]
		if len(l.calls) == 0 {
			continue
		}
		i := 0
		if newest {
			i = len(l.calls) - 1
		}
		if newest || len(l.calls) > 1 {
			m.lines = append(m.lines, l)
		}
		l.calls[i].want = "runs"
		l.calls = slices.Delete(l.calls, i, i+1)
		m.change(l)
		m.running++
	}
}

func (m *bulkheadModel) leave(c *bulkheadCall) {
	at := slices.IndexFunc(m.lines, func(l *bulkheadLine) bool { return slices.Contains(l.calls, c) })
	l := m.lines[at]
	l.calls = slices.DeleteFunc(l.calls, func(other *bulkheadCall) bool { return other == c })
	m.change(l)
	if len(l.calls) == 0 {
		m.lines = slices.Delete(m.lines, at, at+1)
	}
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
