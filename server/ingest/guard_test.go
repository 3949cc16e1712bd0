package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// shelf keeps what it gets.
type shelf struct {
	lines []entry.Entry
	err   error
}

func (s *shelf) Append(_ context.Context, _ string, lines []entry.Entry) error {
	if s.err == nil {
		s.lines = append(s.lines, lines...)
	}
	return s.err
}

func batch(n int, service string, level entry.Level) []entry.Entry {
	lines := make([]entry.Entry, n)
	for i := range lines {
		lines[i] = entry.Entry{Time: time.Now().UnixNano(), Service: service, Level: level, Message: "m"}
	}
	return lines
}

func guarded(t *testing.T, limits Limits) (*Guard, *shelf) {
	t.Helper()
	s := &shelf{}
	g, err := NewGuard(s, limits)
	if err != nil {
		t.Fatal(err)
	}
	return g, s
}

func wantCounts(t *testing.T, g *Guard, want ...string) {
	t.Helper()
	var got []string
	for _, c := range g.Counts() {
		got = append(got, fmt.Sprintf("%s %v %d", c.Service, c.Reason, c.Lines))
		if c.Bytes == 0 {
			t.Errorf("%v has no bytes", c)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("counts are %q, want %q", got, want)
	}
}

func TestQuotaOfLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, s := guarded(t, Limits{Lines: 10, Burst: time.Second})
		if err := g.Append(t.Context(), "p", batch(10, "shop", entry.Info)); err != nil {
			t.Fatal(err)
		}
		err := g.Append(t.Context(), "p", batch(3, "shop", entry.Info))
		if !errors.Is(err, ErrFull) || RetryAfter(err) != time.Second {
			t.Fatalf("%v, come again in %v", err, RetryAfter(err))
		}
		if err := g.Append(t.Context(), "p", batch(3, "cart", entry.Info)); err != nil {
			t.Errorf("one service has used up the quota of another: %v", err)
		}
		time.Sleep(200 * time.Millisecond)
		err = g.Append(t.Context(), "p", batch(3, "shop", entry.Info))
		some, whole := Partial(err)
		if whole != nil || !slices.Equal(some.Dropped, []int{2}) || !errors.Is(err, ErrRefused) {
			t.Errorf("%v, want the third line dropped", err)
		}
		if len(s.lines) != 15 {
			t.Errorf("%d lines, want 15", len(s.lines))
		}
		wantCounts(t, g, "shop quota 1", "shop deferred 3")
	})
}

func TestDebugGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, s := guarded(t, Limits{Lines: 10, Burst: time.Second})
		lines := append(batch(8, "shop", entry.Debug), batch(8, "shop", entry.Error)...)
		some, whole := Partial(g.Append(t.Context(), "p", lines))
		if whole != nil || len(some.Dropped) != 8 || some.Dropped[7] != 7 {
			t.Errorf("%v %v, want the lines of level debug dropped", some, whole)
		}
		if len(s.lines) != 8 || s.lines[0].Level != entry.Error {
			t.Errorf("%d lines, first %v", len(s.lines), s.lines[0].Level)
		}
		g, s = guarded(t, Limits{Lines: 10, Burst: time.Second})
		if some, _ := Partial(g.Append(t.Context(), "p", batch(8, "shop", entry.Trace))); len(some.Dropped) != 3 {
			t.Errorf("%v, want half of the quota left to others", some)
		}
		if err := g.Append(t.Context(), "p", batch(5, "shop", entry.Warn)); err != nil || len(s.lines) != 10 {
			t.Errorf("%v, %d lines: what debug left is not there", err, len(s.lines))
		}
		wantCounts(t, g, "shop debug_over_quota 3")
	})
}

func TestQuotaOfBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, s := guarded(t, Limits{Bytes: 1 << 20, Burst: time.Second})
		lines := batch(10, "shop", entry.Info)
		for i := range lines {
			lines[i].Message = strings.Repeat("x", entry.MaxMessage+1)
		}
		some, whole := Partial(g.Append(t.Context(), "p", lines))
		if whole != nil || len(some.Dropped) != 3 || len(s.lines) != 7 {
			t.Errorf("%v %v: %d lines taken, want 7 of 256 KiB", some, whole, len(s.lines))
		}
		if len(s.lines[0].Message) != entry.MaxMessage {
			t.Errorf("a message of %d bytes", len(s.lines[0].Message))
		}
		wantCounts(t, g, "shop quota 3", "shop cut 10")
	})
}

func TestSinkThatIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, s := guarded(t, Limits{Lines: 10, Burst: time.Second})
		s.err = &FullError{After: 2500 * time.Millisecond, Reason: "the disk is full"}
		for range 3 {
			if err := g.Append(t.Context(), "p", batch(10, "shop", entry.Info)); !errors.Is(err, ErrFull) || RetryAfter(err) != 3*time.Second {
				t.Fatalf("%v, after %v", err, RetryAfter(err))
			}
		}
		s.err = nil
		if err := g.Append(t.Context(), "p", batch(10, "shop", entry.Info)); err != nil {
			t.Errorf("lines that were not taken have used up the quota: %v", err)
		}
		wantCounts(t, g, "shop deferred 30")
		s.err = ErrRefused
		g.Append(t.Context(), "p", batch(1, "cart", entry.Info))
		s.err = &PartialError{Dropped: []int{1}, Reason: "too old"}
		some, _ := Partial(g.Append(t.Context(), "p", append(batch(1, "shop", entry.Info), batch(2, "cart", entry.Info)...)))
		if !slices.Equal(some.Dropped, []int{0, 2}) {
			t.Errorf("%v: the first is over quota, the second of the rest was refused", some.Dropped)
		}
		wantCounts(t, g, "cart refused 2", "shop quota 1", "shop deferred 30")
	})
}

func TestClockAndText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, s := guarded(t, Limits{})
		now := time.Now()
		lines := batch(3, "a\xff", entry.Info)
		lines[0].Time, lines[1].Time, lines[2].Time = 0, now.Add(2*time.Hour).UnixNano(), now.Add(30*time.Minute).UnixNano()
		lines[0].Attrs = []entry.Attr{{Name: "n\xff", Value: "v\xff"}}
		if err := g.Append(t.Context(), "p", lines); err != nil {
			t.Fatal(err)
		}
		if s.lines[0].Time != now.UnixNano() || s.lines[1].Time != now.UnixNano() || s.lines[2].Time == now.UnixNano() {
			t.Errorf("times %d %d %d, now %d", s.lines[0].Time, s.lines[1].Time, s.lines[2].Time, now.UnixNano())
		}
		if s.lines[0].Service != "a�" || s.lines[0].Attrs[0] != (entry.Attr{Name: "n�", Value: "v�"}) {
			t.Errorf("invalid text is kept: %+v", s.lines[0])
		}
		wantCounts(t, g, "a� clock 1")
	})
}

func TestManyServices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, _ := guarded(t, Limits{Lines: 1, Burst: time.Second, Services: 2})
		for i := range 50 {
			g.Append(t.Context(), "p", batch(3, fmt.Sprint("s", i), entry.Info))
		}
		if n := len(g.services); n != 3 {
			t.Errorf("%d services are remembered", n)
		}
		time.Sleep(idle + time.Second)
		g.Append(t.Context(), "p", batch(3, "new", entry.Info))
		if g.services["new"] == nil || len(g.services) > 3 {
			t.Errorf("idle services take the place of a new one: %d", len(g.services))
		}
		lines := uint64(0)
		for _, c := range g.Counts() {
			lines += c.Lines
		}
		if lines < 50 {
			t.Errorf("%d lines counted: forgetting a service has lost its counts", lines)
		}
	})
}

func TestWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, s := guarded(t, Limits{Lines: 10, Burst: time.Second})
		for range 3 {
			if err := g.Whole().Append(t.Context(), "p", batch(11, "shop", entry.Info)); !errors.Is(err, ErrFull) || len(s.lines) > 0 {
				t.Fatalf("%v, %d lines", err, len(s.lines))
			}
		}
		if err := g.Whole().Append(t.Context(), "p", batch(10, "shop", entry.Info)); err != nil || len(s.lines) != 10 {
			t.Errorf("%v, %d lines: batches that were too large have used up the quota", err, len(s.lines))
		}
		wantCounts(t, g, "shop deferred 33")
	})
}

func TestImpossibleLimits(t *testing.T) {
	for _, l := range []Limits{{Lines: -1}, {Lines: 1e9}, {Bytes: 1}, {Bytes: 1 << 40}, {Burst: time.Millisecond}, {Services: -1}, {Ahead: -1}} {
		if _, err := NewGuard(&shelf{}, l); err == nil {
			t.Errorf("%+v is possible", l)
		}
	}
	if Reason(99).String() != "unknown" {
		t.Error("99 has a name")
	}
}
