package supervise

import (
	"cmp"
	"context"
	"errors"
	mathrand "math/rand/v2"
	"sync"
	"time"

	"github.com/gabion-io/gabion/internal/backoff"
	"github.com/gabion-io/gabion/server/store/frame"
)

// FeedConfig is what a [Feed] is made of. The zero value of every field means its default.
type FeedConfig struct {
	// Max bounds what is kept in memory, in bytes; at least four times Batch. An item has a quarter of it at most.
	// Default: 32 MiB.
	Max int
	// Batch is how many bytes are sent at once. Default: 128 KiB.
	Batch int
	// Every is how long an item waits at most before it is sent. Default: 200ms.
	Every time.Duration
	// Timeout is how long the child may take to take a batch. Default: 10s.
	Timeout time.Duration
}

// The waits between two tries to send the same batch.
const (
	firstPause = 50 * time.Millisecond
	maxPause   = 2 * time.Second
)

// errBadBatch says that the child understands a batch not at all. It is not sent again.
var errBadBatch = errors.New("the store does not understand the batch")

// errBroken says that the child went away in the middle of a batch.
var errBroken = errors.New("the connection to the store broke")

// maxBroken is how often a batch may be the last one that the child saw. Then it is given up: more likely than not, it is
// the cause.
const maxBroken = 5

// FeedCounts is how a [Feed] is.
type FeedCounts struct {
	// Buffered is how many items wait to be sent, Bytes the memory that is kept for them.
	Buffered, Bytes int
	// Sent counts items that the child has taken, Dropped those that were given up: the oldest when there was no room, and what is
	// too large or came after Close. Refused counts those that the child
	// will never take, or that made it go away again and again.
	Sent, Dropped, Refused uint64
}

// Feed holds items for the child and sends them in order. It keeps them until the child has taken them; when there is no
// room, the oldest go. Make it with [Child.Feed] and end it with [Feed.Close]. It is safe for concurrent use.
type Feed struct {
	config FeedConfig
	up     func() bool
	send   func(ctx context.Context, first uint64, body []byte) (next, refused uint64, err error)

	mu     sync.Mutex
	blocks []*block // the oldest first; the last one is being filled
	next   uint64   // number of the next item
	counts FeedCounts
	closed bool

	wake  chan struct{} // a block is full
	ctx   context.Context
	stop  context.CancelFunc
	flush chan context.Context // the end, and how long what is left may be sent
	ended chan struct{}
}

// block is items that are sent at once. Its body never moves, and does not change once it is sealed: who sends it may
// still read it after an error.
type block struct {
	first   uint64
	items   int
	size    int // the memory that it takes
	body    []byte
	broken  int  // how often the child went away with it
	sealed  bool // nothing is added
	sending bool // it is not dropped
}

// newFeed makes a feed and starts its goroutine.
func newFeed(cfg FeedConfig, up func() bool, send func(context.Context, uint64, []byte) (uint64, uint64, error)) *Feed {
	cfg.Batch = cmp.Or(max(cfg.Batch, 0), 128<<10)
	cfg.Max = max(cmp.Or(cfg.Max, 32<<20), 4*cfg.Batch)
	cfg.Every = cmp.Or(max(cfg.Every, 0), 200*time.Millisecond)
	cfg.Timeout = cmp.Or(max(cfg.Timeout, 0), 10*time.Second)
	f := &Feed{
		config: cfg, up: up, send: send, wake: make(chan struct{}, 1), flush: make(chan context.Context, 1), ended: make(chan struct{}),
	}
	f.ctx, f.stop = context.WithCancel(context.Background())
	go f.run()
	return f
}

// Put adds an item of a kind, 1 to 64 bytes long. It copies the payload and never blocks.
func (f *Feed) Put(kind string, payload []byte) {
	size := frame.Size(kind, payload)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || size > f.config.Max/4 || kind == "" || len(kind) > frame.MaxKind {
		f.counts.Dropped++
		return
	}
	b := f.room(size)
	b.body = frame.Append(b.body, kind, payload)
	b.items++
	f.next++
	f.counts.Buffered++
}

// Counts is how it is now.
func (f *Feed) Counts() FeedCounts {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts
}

// room is the block that an item goes to. The lock is held.
func (f *Feed) room(size int) *block {
	if n := len(f.blocks); n > 0 {
		if b := f.blocks[n-1]; !b.sealed && len(b.body)+size <= cap(b.body) {
			return b
		}
		select { // what stands before the new block is full
		case f.wake <- struct{}{}:
		default:
		}
	}
	b := &block{first: f.next, size: max(f.config.Batch, size)}
	for f.counts.Bytes+b.size > f.config.Max {
		f.dropOldest()
	}
	b.body = make([]byte, 0, b.size)
	f.blocks = append(f.blocks, b)
	f.counts.Bytes += b.size
	return b
}

// dropOldest gives up the oldest block that is not just being sent. There is one: no block takes more than a quarter of
// the memory. The lock is held.
func (f *Feed) dropOldest() {
	at := 0
	if f.blocks[0].sending {
		at = 1
	}
	f.counts.Dropped += uint64(f.blocks[at].items)
	f.remove(at)
}

// remove takes a block out. The lock is held.
func (f *Feed) remove(at int) {
	b := f.blocks[at]
	f.counts.Buffered -= b.items
	f.counts.Bytes -= b.size
	copy(f.blocks[at:], f.blocks[at+1:])
	f.blocks[len(f.blocks)-1] = nil
	f.blocks = f.blocks[:len(f.blocks)-1]
}

// Close sends what is left, until ctx ends or the child does not take it, and gives up the rest. It is called once.
func (f *Feed) Close(ctx context.Context) {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.flush <- ctx
	stop := context.AfterFunc(ctx, f.stop)
	defer stop()
	<-f.ended
	f.stop()
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.blocks) > 0 {
		f.dropOldest()
	}
}

// run sends until the feed is closed.
func (f *Feed) run() {
	defer close(f.ended)
	tick := time.NewTicker(f.config.Every)
	defer tick.Stop()
	tries := 0
	for {
		select {
		case <-tick.C:
		case <-f.wake:
		case <-f.flush:
			f.drain()
			return
		}
		if f.drain() {
			tries = 0
			continue
		}
		tries++
		select {
		case <-time.After(backoff.Full(backoff.Bound(tries, firstPause, maxPause), mathrand.Float64())):
		case <-f.flush:
			f.drain()
			return
		}
	}
}

// drain sends all there is, and says whether that worked. While the child is away, nothing is to be done.
func (f *Feed) drain() bool {
	for f.up() {
		b := f.oldest()
		if b == nil {
			return true
		}
		ctx, cancel := context.WithTimeout(f.ctx, f.config.Timeout)
		next, refused, err := f.send(ctx, b.first, b.body)
		cancel()
		f.settle(b, next, refused, err)
		if err != nil && !errors.Is(err, errBadBatch) {
			return false
		}
	}
	return true
}

// oldest is the block to send.
func (f *Feed) oldest() *block {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.blocks) == 0 {
		return nil
	}
	b := f.blocks[0]
	b.sealed, b.sending = true, true
	return b
}

// settle takes what the child has taken out of the first block, which is b.
func (f *Feed) settle(b *block, next, refused uint64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b.sending = false
	taken := int(min(max(next, b.first)-b.first, uint64(b.items)))
	refused = min(refused, uint64(taken))
	f.counts.Sent += uint64(taken) - refused
	f.counts.Refused += refused
	if errors.Is(err, errBroken) {
		b.broken++
	}
	switch {
	case errors.Is(err, errBadBatch), b.broken >= maxBroken:
		f.counts.Refused += uint64(b.items)
		f.remove(0)
	case taken == b.items:
		f.remove(0)
	case taken > 0:
		for range taken {
			_, _, rest, err := frame.Cut(b.body)
			if err != nil { // it wrote them itself
				break
			}
			b.body = rest
		}
		b.first += uint64(taken)
		b.items -= taken
		f.counts.Buffered -= taken
	}
}
