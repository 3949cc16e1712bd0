package supervise

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion/server/store/frame"
)

// receiver is the other end of a feed.
type receiver struct {
	mu     sync.Mutex
	away   bool
	fail   error // after taking some
	takes  int   // how many items of a batch it takes; 0: all
	refuse uint64
	hang   bool // until the deadline
	got    []string
	firsts []uint64
}

var errFails = errors.New("fails")

func (r *receiver) up() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.away
}

func (r *receiver) send(ctx context.Context, first uint64, body []byte) (uint64, uint64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.firsts = append(r.firsts, first)
	if r.hang {
		r.mu.Unlock()
		<-ctx.Done()
		r.mu.Lock()
		return 0, 0, ctx.Err()
	}
	if errors.Is(r.fail, errBadBatch) {
		return 0, 0, r.fail
	}
	next := first
	for n := 0; len(body) > 0 && (r.takes == 0 || n < r.takes); n++ {
		kind, payload, rest, err := frame.Cut(body)
		if err != nil {
			panic(err)
		}
		r.got = append(r.got, string(kind)+":"+string(payload))
		body = rest
		next++
	}
	return next, r.refuse, r.fail
}

// set changes the receiver.
func (r *receiver) set(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

func (r *receiver) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.got, " ")
}

// pass lets time go by.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func want(t *testing.T, f *Feed, c FeedCounts) {
	t.Helper()
	if got := f.Counts(); got != c {
		t.Errorf("%+v, want %+v", got, c)
	}
}

func TestItemsAreSentInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		f := newFeed(FeedConfig{Batch: 1 << 10, Max: 8 << 10}, r.up, r.send)
		f.Put("log", []byte("a"))
		payload := []byte("b")
		f.Put("metric", payload)
		payload[0] = 'x' // it was copied
		f.Put("log", nil)
		synctest.Wait()
		want(t, f, FeedCounts{Buffered: 3, Bytes: 1 << 10})
		pass(time.Second)
		if got := r.text(); got != "log:a metric:b log:" {
			t.Error(got)
		}
		want(t, f, FeedCounts{Sent: 3})
		f.Put("log", []byte("c"))
		f.Close(t.Context())
		if got := r.text(); got != "log:a metric:b log: log:c" || !slices.Equal(r.firsts, []uint64{0, 3}) {
			t.Error(got, r.firsts)
		}
		want(t, f, FeedCounts{Sent: 4})
		f.Put("log", []byte("late"))
		want(t, f, FeedCounts{Sent: 4, Dropped: 1})
	})
}

func TestAFullBlockIsSentAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		f := newFeed(FeedConfig{Batch: 1 << 10, Max: 8 << 10, Every: time.Hour}, r.up, r.send)
		for range 3 {
			f.Put("log", make([]byte, 300))
		}
		synctest.Wait()
		want(t, f, FeedCounts{Buffered: 3, Bytes: 1 << 10}) // there is room for no other one, but nobody knows that yet
		f.Put("log", make([]byte, 300))
		synctest.Wait()
		want(t, f, FeedCounts{Sent: 4})
		f.Close(t.Context())
	})
}

func TestTheOldestAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{away: true}
		f := newFeed(FeedConfig{Batch: 100, Max: 400}, r.up, r.send)
		for i := range 100 { // ten of them fill a block
			f.Put("log", fmt.Appendf(nil, "%05d", i))
		}
		pass(time.Minute)
		c := f.Counts()
		if c.Bytes > 400 || c.Buffered != 40 || c.Dropped != 60 || c.Sent != 0 {
			t.Fatalf("%+v", c)
		}
		r.set(func() { r.away = false })
		pass(time.Second)
		if len(r.got) != 40 || r.got[0] != "log:00060" || r.got[39] != "log:00099" || r.firsts[0] != 60 || !slices.IsSorted(r.got) {
			t.Errorf("%v %v", r.got, r.firsts)
		}
		want(t, f, FeedCounts{Sent: 40, Dropped: 60})
		f.Close(t.Context())
	})
}

func TestWhatIsBeingSentIsNotDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{hang: true}
		f := newFeed(FeedConfig{Batch: 100, Max: 400, Timeout: time.Minute}, r.up, r.send)
		f.Put("log", []byte("first"))
		pass(time.Second)
		for i := range 100 {
			f.Put("log", fmt.Appendf(nil, "%05d", i))
		}
		if c := f.Counts(); c.Bytes != 400 || c.Buffered != 31 || c.Dropped != 70 {
			t.Errorf("%+v", c)
		}
		r.set(func() { r.hang = false })
		pass(time.Minute + 5*time.Second) // the deadline ends the try
		if r.got[0] != "log:first" || r.got[1] != "log:00070" || len(r.got) != 31 {
			t.Errorf("%v", r.got)
		}
		want(t, f, FeedCounts{Sent: 31, Dropped: 70})
		f.Close(t.Context())
	})
}

// TestWhatIsNotBeingSentIsDroppedFirst: a block that was tried and failed is the oldest again.
func TestWhatFailedCanBeDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{hang: true}
		f := newFeed(FeedConfig{Batch: 100, Max: 400}, r.up, r.send)
		f.Put("log", []byte("first"))
		pass(time.Second)
		r.set(func() { r.away = true })
		pass(time.Minute)
		for range 50 {
			f.Put("log", []byte("00000"))
		}
		r.set(func() { r.away, r.hang = false, false })
		pass(time.Minute)
		if strings.Contains(r.text(), "first") || len(r.got) != 40 {
			t.Errorf("%v", r.got)
		}
		f.Close(t.Context())
	})
}

func TestPartOfABatchIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{takes: 1, fail: errFails}
		f := newFeed(FeedConfig{Batch: 1 << 10, Max: 8 << 10}, r.up, r.send)
		for _, item := range []string{"a", "b", "c", "d"} {
			f.Put("log", []byte(item))
		}
		pass(250 * time.Millisecond)
		r.set(func() { r.takes, r.fail, r.refuse = 0, nil, 1 })
		pass(time.Minute)
		if got := r.text(); got != "log:a log:b log:c log:d" {
			t.Error(got)
		}
		if n := len(r.firsts); r.firsts[0] != 0 || r.firsts[1] != 1 || n > 4 {
			t.Error(r.firsts)
		}
		want(t, f, FeedCounts{Sent: 3, Refused: 1})
		f.Close(t.Context())
	})
}

func TestABatchThatIsNotUnderstood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{fail: errBadBatch}
		f := newFeed(FeedConfig{Batch: 1 << 10, Max: 8 << 10}, r.up, r.send)
		f.Put("log", []byte("a"))
		pass(time.Second)
		want(t, f, FeedCounts{Refused: 1})
		f.Close(t.Context())
	})
}

// TestFailuresSlowDown: the number of tries in a minute is bounded.
func TestFailuresSlowDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{fail: errFails, takes: -1}
		f := newFeed(FeedConfig{}, r.up, func(context.Context, uint64, []byte) (uint64, uint64, error) {
			r.set(func() { r.firsts = append(r.firsts, 0) })
			return 0, 0, errFails
		})
		f.Put("log", []byte("a"))
		pass(time.Minute)
		if n := len(r.firsts); n < 10 || n > 200 {
			t.Errorf("%d tries", n)
		}
		want(t, f, FeedCounts{Buffered: 1, Bytes: 128 << 10})
		f.Close(t.Context())
		want(t, f, FeedCounts{Dropped: 1})
	})
}

func TestCloseEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{hang: true}
		f := newFeed(FeedConfig{Timeout: time.Hour}, r.up, r.send)
		f.Put("log", []byte("a"))
		pass(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		f.Close(ctx)
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("after %v", took)
		}
		want(t, f, FeedCounts{Dropped: 1})
	})
}

func TestItemsOutOfBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		f := newFeed(FeedConfig{Batch: 100, Max: 4000}, r.up, r.send)
		f.Put("log", make([]byte, 994)) // a thousand with its frame
		f.Put("log", make([]byte, 995))
		f.Put("", nil)
		f.Put(strings.Repeat("k", frame.MaxKind+1), nil)
		want(t, f, FeedCounts{Buffered: 1, Bytes: 1000, Dropped: 3})
		f.Close(t.Context())
		want(t, f, FeedCounts{Sent: 1, Dropped: 3})
	})
}

func TestPost(t *testing.T) {
	for _, c := range []struct {
		status        int
		next, refused string
		wantNext      uint64
		wantRefused   uint64
		want          string
	}{
		{204, "7", "2", 7, 2, ""},
		{503, "5", "0", 5, 0, "the store answers with 503 Service Unavailable"},
		{503, "", "", 0, 0, "the store answers with 503 Service Unavailable"},
		{500, "x", "-1", 0, 0, "the store answers with 500 Internal Server Error"},
		{400, "7", "2", 0, 0, errBadBatch.Error()},
	} {
		t.Run(strconv.Itoa(c.status)+c.next, func(t *testing.T) {
			via := answers(func(r *http.Request) *http.Response {
				if r.Header.Get(frame.Sender) != "me" || r.Header.Get(frame.First) != "3" || r.URL.Path != frame.Path {
					t.Errorf("%v %v", r.URL, r.Header)
				}
				w := httptest.NewRecorder()
				w.Header().Set(frame.Next, c.next)
				w.Header().Set(frame.Refused, c.refused)
				w.WriteHeader(c.status)
				return w.Result()
			})
			next, refused, err := post(t.Context(), via, "me", 3, nil)
			if next != c.wantNext || refused != c.wantRefused || (err == nil) != (c.want == "") || (err != nil && err.Error() != c.want) {
				t.Errorf("%d %d %v", next, refused, err)
			}
		})
	}
}

// answers is a transport that needs no network.
type answers func(*http.Request) *http.Response

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if w := a(r); w != nil {
		return w, nil
	}
	return nil, errFails
}

func BenchmarkPut(b *testing.B) {
	f := newFeed(FeedConfig{}, func() bool { return false }, nil)
	line := make([]byte, 300)
	for b.Loop() {
		f.Put("log", line)
	}
	f.Close(b.Context())
}
