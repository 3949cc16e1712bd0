package shop

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

// errOtherOrder: the same key came with another order.
var errOtherOrder = errors.New("this Idempotency-Key belongs to another order")

// ledger executes every order once and remembers its receipt. It lives in memory: a real shop has a database.
type ledger struct {
	executed atomic.Uint64

	mu      sync.Mutex
	entries map[string]*entry
	keys    []string // of executed orders, as a ring, oldest at next
	next    int
}

// entry is one order. Its receipt may be read when done is closed.
type entry struct {
	order   Order
	done    chan struct{}
	receipt Receipt
	err     error
}

func newLedger(bound int) *ledger {
	return &ledger{entries: map[string]*entry{}, keys: make([]string, max(1, cmp.Or(bound, 10_000)))}
}

// once executes the order, unless the key was executed before or is being executed now: then it gives that receipt
// and says so. A failed execution leaves no trace, so that the order can be sent again.
func (l *ledger) once(ctx context.Context, key string, order Order, execute func() (Receipt, error)) (Receipt, bool, error) {
	l.mu.Lock()
	if known, ok := l.entries[key]; ok {
		l.mu.Unlock()
		return known.wait(ctx, order)
	}
	e := &entry{order: order, done: make(chan struct{}), err: errors.New("the execution did not end")}
	l.entries[key] = e
	l.mu.Unlock()

	defer l.settle(key, e) // also when execute panics
	e.receipt, e.err = execute()
	return e.receipt, false, e.err
}

// settle makes the end of an execution known.
func (l *ledger) settle(key string, e *entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer close(e.done)
	if e.err != nil {
		delete(l.entries, key)
		return
	}
	l.executed.Add(1)
	if oldest := l.keys[l.next]; oldest != "" {
		delete(l.entries, oldest)
	}
	l.keys[l.next] = key
	l.next = (l.next + 1) % len(l.keys)
}

func (e *entry) wait(ctx context.Context, order Order) (Receipt, bool, error) {
	if e.order != order {
		return Receipt{}, false, errOtherOrder
	}
	select {
	case <-e.done:
		return e.receipt, true, e.err
	case <-ctx.Done():
		return Receipt{}, false, ctx.Err()
	}
}
