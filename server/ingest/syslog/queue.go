package syslog

import (
	"context"
	"sync"

	"github.com/gabion-io/gabion/server/ingest"
	"github.com/gabion-io/gabion/server/logs/entry"
)

// queue is messages on their way to the sink. A goroutine gives it all there are at once, while others come: the sink may
// take as long for one line as for many.
type queue struct {
	server   *Server
	producer string
	most     bounds
	done     chan struct{}

	mu    sync.Mutex
	moved sync.Cond // something came, was taken, or ended
	lines []entry.Entry
	bytes int
	ended bool
}

// bounds are how much waits in a queue; as much may be with the sink.
type bounds struct{ lines, bytes int }

// newQueue makes a queue and starts its goroutine, which ends with [queue.end].
func (s *Server) newQueue(producer string, most bounds) *queue {
	q := &queue{server: s, producer: producer, most: most, done: make(chan struct{})}
	q.moved.L = &q.mu
	go q.run()
	return q
}

// put adds a line. When there is no room it waits for it, or says no.
func (q *queue) put(e entry.Entry, wait bool) bool {
	size := e.Size()
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.lines) >= q.most.lines || q.bytes > 0 && q.bytes+size > q.most.bytes {
		if !wait {
			return false
		}
		q.moved.Wait()
	}
	q.lines, q.bytes = append(q.lines, e), q.bytes+size
	q.moved.Broadcast()
	return true
}

// end waits until the sink has got all.
func (q *queue) end() {
	q.mu.Lock()
	q.ended = true
	q.moved.Broadcast()
	q.mu.Unlock()
	<-q.done
}

func (q *queue) run() {
	defer close(q.done)
	for {
		q.mu.Lock()
		for len(q.lines) == 0 && !q.ended {
			q.moved.Wait()
		}
		lines := q.lines
		q.lines, q.bytes = nil, 0 // the sink keeps the slice
		q.moved.Broadcast()
		q.mu.Unlock()
		if len(lines) == 0 {
			return
		}
		q.give(lines)
	}
}

// give gives lines to the sink. What has come is given also after the end.
func (q *queue) give(lines []entry.Entry) {
	some, err := ingest.Partial(q.server.Sink.Append(context.Background(), q.producer, lines))
	lost := 0
	switch {
	case err != nil:
		lost = len(lines)
	case some != nil:
		lost = len(some.Dropped)
	}
	q.server.dropped.Add(uint64(lost))
	q.server.taken.Add(uint64(len(lines) - lost))
}
