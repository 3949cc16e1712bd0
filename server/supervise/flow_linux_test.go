package supervise_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gabion-io/gabion/server/supervise"
)

// TestNothingIsLostWhenTheChildIsKilled: everything arrives, in order, although the child is killed in between. What was
// taken and not answered is taken again, so a line may come twice.
func TestNothingIsLostWhenTheChildIsKilled(t *testing.T) {
	b := start(t, "store", nil)
	f := b.Feed(supervise.FeedConfig{Batch: 4 << 10, Every: 5 * time.Millisecond})
	total := 0
	put := func(n int) {
		for range n {
			f.Put("log", strconv.AppendInt(nil, int64(total), 10))
			total++
		}
	}
	pid := b.up(t)
	for range 4 {
		before := f.Counts().Sent
		put(20_000)
		until(t, "some are sent", func() bool { return f.Counts().Sent > before })
		send(t, pid, syscall.SIGKILL)
		put(20_000)
		b.upAgain(t, pid)
		pid = b.Status().PID
	}
	until(t, "all are sent", func() bool { return f.Counts().Buffered == 0 })
	f.Close(t.Context())
	if c := f.Counts(); c != (supervise.FeedCounts{Sent: uint64(total)}) {
		t.Errorf("%+v of %d", c, total)
	}
	b.Close()
	lines, next := b.kept(t), 0
	for _, line := range lines {
		n, err := strconv.Atoi(line)
		if err != nil || n > next {
			t.Fatalf("%q instead of %d", line, next)
		}
		if n == next {
			next++
		}
	}
	if next != total {
		t.Errorf("%d of %d lines", next, total)
	}
}

func TestTheParentNeverWaits(t *testing.T) {
	b := start(t, "store", func(cfg *supervise.Config) { cfg.Failures, cfg.Settings.Stop = 1<<30, 100*time.Millisecond })
	f := b.Feed(supervise.FeedConfig{Batch: 64 << 10, Max: 1 << 20, Timeout: 100 * time.Millisecond})
	pid := b.up(t)
	pause(t, pid)
	line, took := bytes.Repeat([]byte("x"), 300), make([]time.Duration, 50_000)
	for i := range took {
		began := time.Now()
		f.Put("log", line)
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	// Most take less than a microsecond. The slowest ones are those in which the test itself had to wait for a processor.
	if p99 := took[len(took)*99/100]; p99 > 200*time.Microsecond {
		t.Errorf("Put takes %v, one in a hundred %v or more", took[len(took)/2], p99)
	}
	c := f.Counts()
	if uint64(c.Buffered)+c.Dropped != 50_000 || c.Bytes > 1<<20 || c.Dropped < 40_000 || c.Sent != 0 {
		t.Errorf("%+v", c)
	}
	send(t, pid, syscall.SIGCONT)
	until(t, "the rest is sent", func() bool { return f.Counts().Buffered == 0 })
	if c := f.Counts(); c.Sent+c.Dropped != 50_000 || c.Sent == 0 {
		t.Errorf("%+v", c)
	}
	f.Close(t.Context())
}

func TestWhatTheChildDoesNotKnow(t *testing.T) {
	b := start(t, "store", nil)
	f := b.Feed(supervise.FeedConfig{})
	b.up(t)
	for i := range 10 {
		f.Put([]string{"log", "unknown"}[i%2], fmt.Append(nil, i))
	}
	f.Close(t.Context())
	if c := f.Counts(); c != (supervise.FeedCounts{Sent: 5, Refused: 5}) {
		t.Errorf("%+v", c)
	}
	until(t, "the child tells it too", func() bool { return b.Status().Refused == 5 })
}

func TestWhatIsLeftWhenTheChildIsAway(t *testing.T) {
	b := start(t, "exit", nil)
	f := b.Feed(supervise.FeedConfig{})
	f.Put("log", []byte("a"))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	f.Close(ctx)
	if c := f.Counts(); c != (supervise.FeedCounts{Dropped: 1}) || ctx.Err() != nil {
		t.Errorf("%+v", c)
	}
}

// TestPoison: an item that makes the child end is given up after some tries, and those behind it get through.
func TestPoison(t *testing.T) {
	b := start(t, "store", nil)
	f := b.Feed(supervise.FeedConfig{Every: 5 * time.Millisecond})
	b.up(t)
	f.Put("log", []byte("poison"))
	until(t, "it is given up", func() bool { return f.Counts().Refused == 1 })
	f.Put("log", []byte("good"))
	until(t, "the next one is sent", func() bool { return f.Counts().Sent == 1 })
	f.Close(t.Context())
	if s := b.Status(); !strings.HasPrefix(s.Reason, "exit status 7") || s.Restarts < 3 {
		t.Errorf("%+v", s)
	}
	if lines := b.kept(t); !slices.Equal(lines, []string{"good"}) {
		t.Error(lines)
	}
}
