package logs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/slogtest"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion/logs"
)

func TestItIsASlogHandler(t *testing.T) {
	var g *gabion
	var h *logs.Handler
	slogtest.Run(t, func(t *testing.T) slog.Handler {
		g = &gabion{}
		h = start(t, g, logs.Config{})
		return h
	}, func(t *testing.T) map[string]any {
		stop(t, h)
		lines := g.parsed(t)
		if len(lines) != 1 {
			t.Fatalf("%d lines", len(lines))
		}
		return lines[0]
	})
}

// TestItIsASlogHandlerWithATraceToo: a trace makes another way through the handler.
func TestItIsASlogHandlerWithATraceToo(t *testing.T) {
	var g *gabion
	var h *logs.Handler
	slogtest.Run(t, func(t *testing.T) slog.Handler {
		g = &gabion{}
		h = start(t, g, logs.Config{Trace: func(context.Context) (string, string) { return "t", "s" }})
		return h
	}, func(t *testing.T) map[string]any {
		stop(t, h)
		line := g.parsed(t)[0]
		if line["trace_id"] != "t" || line["span_id"] != "s" {
			t.Errorf("no trace: %v", line)
		}
		return line
	})
}

type userKey struct{}

func TestALine(t *testing.T) {
	g := &gabion{}
	h := start(t, g, logs.Config{Service: "shop", Instance: "shop-1", Trace: func(ctx context.Context) (string, string) {
		trace, _ := ctx.Value(userKey{}).(string)
		return trace, ""
	}})
	log := slog.New(h)
	log.Info("one", "n", 1, slog.Group("g", "a", "b"))
	log.With("user", 7).WithGroup("request").With("method", "GET").WithGroup("body").WarnContext(context.WithValue(t.Context(), userKey{}, "4bf9"), "two", "size", 3)
	log.WithGroup("empty").Error("three")
	log.Debug("not wanted")
	log.WithGroup("").With().Info("four", "error", errDown)
	stop(t, h)
	want := []map[string]any{
		{"level": "INFO", "msg": "one", "n": 1., "g": map[string]any{"a": "b"}},
		{"level": "WARN", "msg": "two", "user": 7., "trace_id": "4bf9", "request": map[string]any{"method": "GET", "body": map[string]any{"size": 3.}}},
		{"level": "ERROR", "msg": "three"},
		{"level": "INFO", "msg": "four", "error": "down"},
	}
	got := g.parsed(t)
	if len(got) != len(want) {
		t.Fatalf("%v", got)
	}
	for i, line := range got {
		if _, err := time.Parse(time.RFC3339Nano, line["time"].(string)); err != nil {
			t.Error(err)
		}
		delete(line, "time")
		maps.Copy(want[i], map[string]any{"service": "shop", "instance": "shop-1"})
		if !reflect.DeepEqual(line, want[i]) {
			t.Errorf("%v, want %v", line, want[i])
		}
	}
	if r := g.requests[0]; r.URL.String() != "http://gabion:8081/api/v1/logs" || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/x-ndjson" {
		t.Errorf("%v %v", r.URL, r.Header)
	}
}

// TestHandlersThatWereMadeOfOne do not write into each other's attributes.
func TestHandlersThatWereMadeOfOne(t *testing.T) {
	g := &gabion{}
	h := start(t, g, logs.Config{})
	base := slog.New(h).WithGroup("g").With("a", 1).With("b", 2).With("c", 3)
	x, y := base.With("x", 1), base.With("y", 1)
	gx, gy := base.WithGroup("x"), base.WithGroup("y")
	for _, log := range []*slog.Logger{x, y, gx, gy} {
		log.Info("m", "k", 1)
	}
	stop(t, h)
	var got []string
	for _, line := range g.parsed(t) {
		got = append(got, strings.Join(slices.Sorted(maps.Keys(line["g"].(map[string]any))), ""))
	}
	if !slices.Equal(got, []string{"abckx", "abcky", "abcx", "abcy"}) {
		t.Error(got)
	}
}

func TestGroupsThatWereMadeOfOne(t *testing.T) {
	g := &gabion{}
	h := start(t, g, logs.Config{})
	base := slog.New(h).WithGroup("a").WithGroup("b").WithGroup("c")
	x, y := base.WithGroup("x"), base.WithGroup("y")
	x.Info("m", "k", 1)
	y.Info("m", "k", 2)
	stop(t, h)
	for i, want := range []string{`"a":{"b":{"c":{"x":{"k":1}}}}`, `"a":{"b":{"c":{"y":{"k":2}}}}`} {
		if !strings.Contains(g.lines[i], want) {
			t.Errorf("%s, want %s", g.lines[i], want)
		}
	}
}

func TestTheNextHandler(t *testing.T) {
	var text bytes.Buffer
	g, level := &gabion{}, new(slog.LevelVar)
	level.Set(slog.LevelWarn)
	h := start(t, g, logs.Config{Level: level, Next: slog.NewJSONHandler(&text, &slog.HandlerOptions{Level: slog.LevelInfo})})
	log := slog.New(h).With("a", 1).WithGroup("g")
	log.Debug("nobody")
	log.Info("next", "b", 2)
	log.Warn("both")
	level.Set(slog.LevelDebug)
	log.Debug("gabion")
	stop(t, h)
	log.Warn("closed")
	var got, next []string
	for _, line := range g.parsed(t) {
		got = append(got, line["msg"].(string))
	}
	for line := range strings.Lines(text.String()) {
		var one map[string]any
		if err := json.Unmarshal([]byte(line), &one); err != nil || one["a"] != 1. {
			t.Errorf("%s: %v", line, err)
		}
		next = append(next, one["msg"].(string))
	}
	if !slices.Equal(got, []string{"both", "gabion"}) || !slices.Equal(next, []string{"next", "both", "closed"}) {
		t.Errorf("%v %v", got, next)
	}
	if c := h.Counts(); c.Sent != 2 || c.Dropped != 1 {
		t.Errorf("%+v", c)
	}
}

// failing is a handler that always fails.
type failing struct{ slog.Handler }

func (failing) Handle(context.Context, slog.Record) error { return errDown }

func TestAnErrorOfTheNextHandler(t *testing.T) {
	g := &gabion{}
	h := start(t, g, logs.Config{Next: failing{slog.NewTextHandler(t.Output(), nil)}})
	if err := h.Handle(t.Context(), slog.NewRecord(time.Now(), slog.LevelInfo, "m", 0)); !errors.Is(err, errDown) {
		t.Error(err)
	}
	stop(t, h)
	if len(g.lines) != 1 {
		t.Error(g.lines)
	}
}

func TestSource(t *testing.T) {
	g := &gabion{}
	h := start(t, g, logs.Config{Source: true, Trace: func(context.Context) (string, string) { return "t", "" }})
	slog.New(h).Info("m")
	stop(t, h)
	source, _ := g.parsed(t)[0]["source"].(map[string]any)
	if file, _ := source["file"].(string); !strings.HasSuffix(file, "logs_test.go") {
		t.Error(source)
	}
}

// TestGabionHangs: who logs does not notice, memory is bounded, and the gap is told in the end.
func TestGabionHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		g := &gabion{hang: true}
		h := start(t, g, logs.Config{Buffer: 256 << 10, Batch: 16 << 10, Next: slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelWarn})})
		log, began := slog.New(h), time.Now()
		for i := range 10_000 {
			log.Info("m", "i", i)
			if i%100 == 0 {
				time.Sleep(100 * time.Millisecond)
			}
		}
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("who logs waited: %v", took-10*time.Second)
		}
		time.Sleep(time.Minute)
		c := h.Counts()
		if c.Bytes > 256<<10 || c.Buffered < 500 || c.Dropped < 5000 || c.Sent != 0 || c.Retries < 2 {
			t.Fatalf("%+v", c)
		}
		g.set(func() { g.hang = false })
		stop(t, h)
		lines := g.parsed(t)
		if n := len(lines); n != c.Buffered+1 || lines[n-1]["i"] != 9999. && lines[n-2]["i"] != 9999. {
			t.Errorf("%d lines, want %d", n, c.Buffered+1)
		}
		gaps := slices.DeleteFunc(lines, func(line map[string]any) bool { return line["dropped"] == nil })
		if len(gaps) != 1 || gaps[0]["dropped"] != float64(c.Dropped) || gaps[0]["service"] == "" {
			t.Errorf("gaps: %v", gaps)
		}
		if told := text.String(); strings.Count(told, "\n") != 1 || !strings.Contains(told, "Gabion does not take the log") || !strings.Contains(told, "deadline") {
			t.Error(told)
		}
	})
}

func TestWhatGabionRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		g := &gabion{answer: `{"taken":1,"refused":2,"errors":[{"line":1,"reason":"over quota"}]}`}
		h := start(t, g, logs.Config{Next: slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelWarn})})
		log := slog.New(h)
		for range 3 {
			log.Info("m")
		}
		time.Sleep(2 * time.Second)
		if c := h.Counts(); c.Sent != 1 || c.Refused != 2 {
			t.Errorf("%+v", c)
		}
		log.Info("m")
		time.Sleep(2 * time.Second)
		if told := text.String(); strings.Count(told, "\n") != 1 || !strings.Contains(told, "over quota") || !strings.Contains(told, "lines=2") {
			t.Error(told)
		}
		g.set(func() { g.status = http.StatusBadRequest })
		log.Info("m")
		time.Sleep(2 * time.Second)
		if c := h.Counts(); c.Sent != 1 || c.Refused != 4 {
			t.Errorf("%+v", c)
		}
		stop(t, h)
	})
}

func TestALineThatIsTooLong(t *testing.T) {
	g := &gabion{}
	h := start(t, g, logs.Config{Buffer: 64 << 20})
	log := slog.New(h)
	log.Info(strings.Repeat("x", 1<<20))
	log.Info(strings.Repeat("x", 1<<19))
	stop(t, h)
	if c := h.Counts(); c.Sent != 1 || c.Dropped != 1 {
		t.Errorf("%+v", c)
	}
}

func TestGzipAndHeader(t *testing.T) {
	g := &gabion{}
	h := start(t, g, logs.Config{Gzip: true, Header: http.Header{"Authorization": {"Bearer x"}}, URL: "https://proxy/gabion/logs"})
	slog.New(h).Info("m")
	stop(t, h)
	if r := g.requests[0]; len(g.parsed(t)) != 1 || r.Header.Get("Authorization") != "Bearer x" || r.URL.String() != "https://proxy/gabion/logs" {
		t.Errorf("%v %v", r.URL, r.Header)
	}
}

func TestCloseSaysWhatIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gabion{down: true}
		h := start(t, g, logs.Config{})
		log := slog.New(h)
		log.Info("m")
		log.Info("m")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := h.Close(ctx)
		if err == nil || !errors.Is(err, errDown) || !strings.Contains(err.Error(), "2 not sent") {
			t.Error(err)
		}
	})
}

func TestManyLogAtOnce(t *testing.T) {
	g := &gabion{}
	h := start(t, g, logs.Config{Batch: 4 << 10, Buffer: 32 << 20})
	log := slog.New(h)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			mine := log.With("a", 1).WithGroup("g")
			for range 1000 {
				mine.Info("m", "b", 2)
			}
		})
	}
	all.Wait()
	stop(t, h)
	if n := len(g.parsed(t)); n != 8000 {
		t.Errorf("%d lines", n)
	}
}

func TestConfig(t *testing.T) {
	for want, cfg := range map[string]logs.Config{
		"url is empty":                     {},
		`url is "gabion:8081"`:             {URL: "gabion:8081"},
		"url is no address":                {URL: "http://me:secret@[::"},
		"batch is -1, must be positive":    {URL: "http://g", Batch: -1},
		"batch is 9999999, must be at mos": {URL: "http://g", Batch: 9999999},
		"buffer is 1000, must be at least": {URL: "http://g", Buffer: 1000},
		"every is -1ns, must be positive":  {URL: "http://g", Every: -1},
		"timeout is -1s":                   {URL: "http://g", Timeout: -time.Second},
	} {
		h, err := logs.New(cfg)
		if err == nil {
			stop(t, h)
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func BenchmarkHandler(b *testing.B) {
	for name, trace := range map[string]func(context.Context) (string, string){
		"plain": nil, "trace": func(context.Context) (string, string) { return "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7" },
	} {
		b.Run(name, func(b *testing.B) {
			h, err := logs.New(logs.Config{URL: "http://gabion:8081", Transport: &gabion{down: true}, Trace: trace, Every: time.Hour})
			if err != nil {
				b.Fatal(err)
			}
			log := slog.New(h).With("user", "u-1", "shard", 4)
			b.ReportAllocs()
			for b.Loop() {
				log.LogAttrs(b.Context(), slog.LevelInfo, "order placed", slog.Int("items", 3), slog.Duration("took", time.Second))
			}
			ctx, cancel := context.WithCancel(b.Context())
			cancel()
			// What is left is lost on purpose.
			_ = h.Close(ctx)
		})
	}
}
