package tail

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion/server/ingest"
	"github.com/gabion-io/gabion/server/logs/entry"
)

type bundle struct {
	t    *testing.T
	dir  string
	log  string
	got  []string
	err  error
	last entry.Entry
	*Tailer
}

func (b *bundle) Append(_ context.Context, _ string, lines []entry.Entry) error {
	if _, whole := ingest.Partial(b.err); whole != nil {
		return whole
	}
	for _, e := range lines {
		b.got, b.last = append(b.got, e.Message), e
	}
	return b.err
}

func setup(t *testing.T, change func(*Config)) *bundle {
	t.Helper()
	b := &bundle{t: t, dir: t.TempDir()}
	b.log = filepath.Join(b.dir, "shop.log")
	b.restart(change)
	t.Cleanup(func() { b.close() })
	return b
}

// restart forgets everything but the position file.
func (b *bundle) restart(change func(*Config)) {
	b.t.Helper()
	if b.Tailer != nil {
		b.close()
	}
	c := Config{Patterns: []string{filepath.Join(b.dir, "*.log")}, Positions: filepath.Join(b.dir, "positions"), Sink: b}
	if change != nil {
		change(&c)
	}
	var err error
	if b.Tailer, err = New(c); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bundle) write(path, text string) {
	b.t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err = f.WriteString(text); errors.Join(err, f.Close()) != nil {
		b.t.Fatal(err)
	}
}

func (b *bundle) do(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// want runs rounds and compares what came since the last time.
func (b *bundle) want(lines ...string) {
	b.t.Helper()
	for range 3 {
		b.round(b.t.Context())
	}
	if !slices.Equal(b.got, lines) {
		b.t.Errorf("got %.200q, want %.200q", b.got, lines)
	}
	b.got = nil
}

func TestFollow(t *testing.T) {
	b := setup(t, nil)
	b.want()
	b.write(b.log, "one\r\n\ntwo\nhal")
	b.want("one", "two")
	if b.last.Service != "shop" || b.last.Time == 0 || b.last.Attrs[0].Value != b.log {
		t.Errorf("%+v", b.last)
	}
	b.write(b.log, "f\n"+`{"msg":"json","service":"cart","level":"warn"}`+"\n{broken\n")
	b.write(filepath.Join(b.dir, "other.log"), "else\n")
	b.want("half", "json", "{broken", "else")
	b.write(filepath.Join(b.dir, "other.txt"), "no match\n")
	b.want()
	if b.counts.Files != 2 || b.counts.Lines != 6 {
		t.Errorf("%+v", b.counts)
	}
}

func TestRestart(t *testing.T) {
	b := setup(t, nil)
	b.write(b.log, "one\ntwo\nhal")
	b.want("one", "two")
	b.restart(nil)
	b.want()
	b.write(b.log, "f\nthree\n")
	b.restart(nil)
	b.want("half", "three")
}

func TestRotationByRename(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprint("restart ", restart), func(t *testing.T) {
			b := setup(t, nil)
			b.write(b.log, "one\n")
			b.want("one")
			b.write(b.log, "two\nthree")
			b.do(os.Rename(b.log, b.log+".1"))
			b.write(b.log, "new, and longer than what was there before\n")
			if restart {
				b.restart(nil)
			}
			b.want("two", "three", "new, and longer than what was there before")
			b.restart(nil)
			b.want()
		})
	}
}

func TestRotationToNamesThatMatch(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprint("restart ", restart), func(t *testing.T) {
			wide := func(c *Config) { c.Patterns = []string{c.Patterns[0] + "*"} }
			b := setup(t, wide)
			var want []string
			for i := range 4 {
				one, two := fmt.Sprint("begin ", i), fmt.Sprint("end ", i)
				b.write(b.log, one+"\n")
				b.want(append(want, one)...)
				b.write(b.log, two+"\n")
				for n := 3; n > 0; n-- {
					os.Rename(fmt.Sprint(b.log, ".", n), fmt.Sprint(b.log, ".", n+1))
				}
				b.do(os.Rename(b.log, b.log+".1"))
				if restart {
					b.restart(wide)
				}
				want = []string{two}
				if i == 2 { // several rotations at once
					b.want(want...)
					want = nil
				}
			}
		})
	}
}

func TestRotationByTruncation(t *testing.T) {
	for _, restart := range []bool{false, true} {
		for _, longer := range []string{"", " and longer than what was there before"} {
			t.Run(fmt.Sprint("restart ", restart, longer), func(t *testing.T) {
				b := setup(t, nil)
				b.write(b.log, "one\ntwo\n")
				b.want("one", "two")
				b.write(b.log, "three\n")
				all, err := os.ReadFile(b.log)
				b.do(err)
				b.write(b.log+".1", string(all))
				b.do(os.Truncate(b.log, 0))
				b.write(b.log, "new"+longer+"\n")
				if restart {
					b.restart(nil)
				}
				b.want("three", "new"+longer)
				b.do(os.Truncate(b.log, 0)) // without a copy
				b.write(b.log, "n\n")
				b.want("n")
			})
		}
	}
}

func TestRemoved(t *testing.T) {
	b := setup(t, nil)
	b.write(b.log, "one\nlast")
	b.want("one")
	b.do(os.Remove(b.log))
	b.want("last")
	if len(b.files) != 0 || len(b.known) != 0 {
		t.Errorf("%d files are remembered", len(b.files))
	}
	b.write(b.log, "one\n")
	b.want("one")
}

func TestFullSink(t *testing.T) {
	b := setup(t, nil)
	b.write(b.log, "one\ntwo\n")
	b.err = ingest.ErrFull
	b.want()
	b.restart(nil)
	b.err = nil
	b.want("one", "two")
	b.err = &ingest.PartialError{Dropped: []int{0}}
	b.write(b.log, "three\n")
	b.round(t.Context())
	b.err = ingest.ErrRefused
	b.write(b.log, "four\n")
	b.round(t.Context())
	if b.counts.Dropped != 2 {
		t.Errorf("%+v", b.counts)
	}
}

func TestQuota(t *testing.T) { synctest.Test(t, testQuota) }

func testQuota(t *testing.T) {
	b := setup(t, nil)
	g, err := ingest.NewGuard(b, ingest.Limits{Lines: 7, Burst: time.Second})
	b.do(err)
	b.config.Sink = g.Whole()
	b.write(b.log, strings.Repeat("x\n", 20))
	b.round(t.Context())
	if len(b.got) != 7 {
		t.Errorf("%d lines, want as many as the quota has room for", len(b.got))
	}
	if g, err = ingest.NewGuard(b, ingest.Limits{}); err != nil {
		t.Fatal(err)
	}
	b.config.Sink = g.Whole()
	b.round(t.Context())
	if len(b.got) != 20 {
		t.Errorf("%d lines of 20", len(b.got))
	}
}

func TestLongLines(t *testing.T) {
	b := setup(t, func(c *Config) { c.MaxLine = 100 })
	long := strings.Repeat("x", 300<<10)
	b.write(b.log, "one\n"+long+"\ntwo\n"+strings.Repeat("y", 150))
	b.want("one", long[:100], "two", strings.Repeat("y", 100))
	b.write(b.log, "yyy\nthree\n")
	b.want("three")
	if b.counts.Cut != 2 {
		t.Errorf("%+v", b.counts)
	}
}

func TestManyLinesAndFiles(t *testing.T) {
	b := setup(t, func(c *Config) { c.MaxFiles = 2 })
	var want []string
	for i := range 5000 {
		want = append(want, fmt.Sprint("line ", i))
	}
	b.write(b.log, strings.Join(want, "\n")+"\n")
	b.want(want...)
	for i := range 4 {
		b.write(filepath.Join(b.dir, fmt.Sprint(i, ".log")), "x\n")
	}
	b.want("x")
	if b.counts.Excess != 3 || b.counts.Files != 2 {
		t.Errorf("%+v", b.counts)
	}
}

func TestBadConfig(t *testing.T) {
	b := setup(t, nil)
	b.do(os.WriteFile(filepath.Join(b.dir, "damaged"), []byte("{"), 0o600))
	for _, c := range []Config{{}, {Patterns: []string{"["}, Positions: "p", Sink: b}, {Patterns: []string{"x"}, Positions: filepath.Join(b.dir, "damaged"), Sink: b}} {
		if _, err := New(c); err == nil {
			t.Errorf("%+v is possible", c)
		}
	}
	b.restart(func(c *Config) { c.Positions = filepath.Join(b.dir, "missing", "positions") })
	b.write(b.log, "one\n")
	b.want("one")
	if b.counts.Failures == 0 {
		t.Error("positions that cannot be kept are no failure")
	}
}

func TestRun(t *testing.T) {
	b := setup(t, nil)
	b.write(b.log, "one\n")
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { b.Run(ctx); close(done) }()
	if c, err := b.Counts(t.Context()); err != nil || c.Lines != 1 {
		t.Errorf("%+v %v", c, err)
	}
	stop()
	<-done
	if _, err := b.Counts(ctx); err == nil {
		t.Error("counts of what has ended")
	}
}

func FuzzSplit(f *testing.F) {
	f.Add([]byte("one\n{\"msg\":\"x\"}\r\n\nhalf"), true, false)
	f.Fuzz(func(t *testing.T, chunk []byte, last, skip bool) {
		tl := &Tailer{config: Config{MaxLine: 16}}
		lines, used, _, _ := tl.split(&file{path: "a.log", skip: skip}, chunk, last, maxLines)
		if used > len(chunk) || last && len(lines) < maxLines && used != len(chunk) {
			t.Fatalf("%d of %d bytes, %d lines", used, len(chunk), len(lines))
		}
		for _, e := range lines {
			if len(e.Message) > 16 {
				t.Fatalf("%q", e.Message)
			}
		}
	})
}

func TestLine(t *testing.T) {
	now := time.Unix(7, 0)
	for text, want := range map[string]string{
		`{"level":"warn","service":"x","msg":"a"}`: "x warn a",
		`2026-01-31 14:30:00 ERROR a`:              "shop error 2026-01-31 14:30:00 ERROR a",
		`{"level":"warn"`:                          `shop warn {"level":"warn"`,
		`just text`:                                "shop unknown just text",
	} {
		e := line("/var/log/shop.log", []byte(text), now)
		if got := fmt.Sprint(e.Service, " ", e.Level, " ", e.Message); got != want || e.Time != now.UnixNano() {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
