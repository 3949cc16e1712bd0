package logql

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion/server/logs/entry"
)

func hundred() *memory {
	m := &memory{}
	for i := range int64(100) {
		m.entries = append(m.entries, &entry.Entry{
			Time: i, Service: "shop", Handler: string(rune('a' + i%10)), Message: strings.Repeat("x", 100), Attrs: []entry.Attr{{Name: "n", Value: "1"}},
		})
	}
	return m
}

func ask(t *testing.T, source Source, l Limits, query string, p Params) (*Result, error) {
	t.Helper()
	e, err := Parse(query)
	if err != nil {
		t.Fatal(err)
	}
	return New(source, l).Query(t.Context(), e, p)
}

// TestLimits: what is just allowed works, one more is refused and told.
func TestLimits(t *testing.T) {
	all := Params{To: 100, Limit: 100}
	steps := Params{To: 90, Step: 10}
	for _, tc := range []struct {
		name, query string
		enough, few Limits
		p           Params
		want        string
	}{
		{"scanned", "{}", Limits{Scanned: 100}, Limits{Scanned: 99}, all, "looks at more than 99 lines"},
		{"scanned over all parts", "sum(count_over_time({}[1h])) + sum(count_over_time({}[1h]))", Limits{Scanned: 200}, Limits{Scanned: 199}, Params{To: 100}, "looks at more"},
		{"lines", "{}", Limits{Lines: 100}, Limits{Lines: 99}, all, "the limit of 100 lines"},
		{"bytes", "{}", Limits{Bytes: 20_000}, Limits{Bytes: 10_000}, all, "more than 10000 bytes"},
		{"range", "{}", Limits{Range: 100}, Limits{Range: 99}, all, "spans more than 99ns"},
		{"look-back", "count_over_time({}[100ns])", Limits{Range: 100}, Limits{Range: 99}, Params{From: 90, To: 100}, "spans more than 99ns"},
		{"series", "count_over_time({}[1h])", Limits{Series: 10}, Limits{Series: 9}, Params{To: 100}, "more than 9 series"},
		{"steps", "sum(count_over_time({}[1h]))", Limits{Steps: 10}, Limits{Steps: 9}, steps, "at 10 moments, at most 9"},
		{"points", "count_over_time({}[1h])", Limits{Points: 110}, Limits{Points: 99}, steps, "more than 99 numbers"},
		{"quantile", "quantile_over_time(0.5, {} | unwrap n [1h]) by ()", Limits{Points: 100}, Limits{Points: 99}, Params{To: 100}, "a quantile of more than 99 values"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := ask(t, hundred(), tc.enough, tc.query, tc.p); err != nil {
				t.Error("enough:", err)
			}
			_, err := ask(t, hundred(), tc.few, tc.query, tc.p)
			if _, ok := errors.AsType[*LimitError](err); !ok || !strings.Contains(err.Error(), tc.want) {
				t.Error("too few:", err)
			}
		})
	}
}

func TestQueryErrors(t *testing.T) {
	source := hundred()
	source.fail = errDisk
	for _, query := range []string{"{}", "count_over_time({}[1h])", "1 + sum(count_over_time({}[1h]))", "topk(1, rate({}[1h]))", "label_replace(rate({}[1h]), `a`, ``, `b`, ``)"} {
		if _, err := ask(t, source, Limits{}, query, Params{To: 100, Limit: 1000}); !errors.Is(err, errDisk) {
			t.Errorf("%s: %v", query, err)
		}
	}
	for query, p := range map[string]Params{
		"{}":                               {From: 2, To: 1},
		"vector(1)":                        {To: 1, Step: -1},
		"sum(1)":                           {},
		"topk(1, 2 + 3)":                   {},
		"vector(1) and (1 + 1)":            {},
		"vector(1) + on (a) (1 + 1)":       {},
		"label_replace(1, ``, ``, ``, ``)": {},
	} {
		e, err := Parse(query)
		if err != nil {
			continue // refused even earlier
		}
		if _, err = New(source, Limits{}).Query(t.Context(), e, p); err == nil {
			t.Errorf("%s with %+v is answered", query, p)
		}
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, query := range []string{"{}", "count_over_time({}[1h])"} {
		e, err := Parse(query)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := New(hundred(), Limits{}).Query(ctx, e, Params{To: 100}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", query, err)
		}
	}
}

// TestAsked: the source is asked for no more than is needed.
func TestAsked(t *testing.T) {
	for query, want := range map[string]Fields{
		`sum by (handler) (count_over_time({service="shop"}[1h]))`:       0,
		`sum by (user) (count_over_time({}[1h]))`:                        Attrs,
		`sum by (trace_id) (count_over_time({}[1h]))`:                    IDs,
		`sum(count_over_time({user="x"}[1h]))`:                           Attrs,
		`sum(count_over_time({} |= "x" [1h]))`:                           Message,
		`sum(count_over_time({} | level="x" or (user > 5) [1h]))`:        Attrs,
		`sum(bytes_rate({} | drop __error__ [1h]))`:                      Message,
		`sum(sum_over_time({} | unwrap took [1h]))`:                      Attrs,
		`sum(count_over_time({} | json [1h]))`:                           AllFields,
		`vector(1) * on (user) count_over_time({}[1h])`:                  Attrs,
		`label_replace(count_over_time({}[1h]), "a", "$1", "user", ".")`: Attrs,
		`{}`: AllFields,
	} {
		source := &memory{}
		if _, err := ask(t, source, Limits{}, query, Params{To: 10}); err != nil {
			t.Fatal(err)
		}
		if got := source.asked[0].Fields; got != want {
			t.Errorf("%s asks for %03b, want %03b", query, got, want)
		}
	}
	source := &memory{}
	if _, err := ask(t, source, Limits{}, `count_over_time({}[10ns] offset 5ns)`, Params{From: 100, To: 200, Step: 50}); err != nil {
		t.Fatal(err)
	}
	if q := source.asked[0]; q.From != 86 || q.To != 196 || !q.Forward {
		t.Errorf("asked %+v", q)
	}
	if _, err := ask(t, source, Limits{}, `{level="loud"}`, Params{To: 10}); err != nil || len(source.asked) != 1 {
		t.Error("asked although no level can match", err)
	}
}

// TestCounted: only what the labels of the stream tell is left to the source to count.
func TestCounted(t *testing.T) {
	for query, want := range map[string]int{
		`sum by (handler) (count_over_time({service="shop"} | level!="info" and handler!="c" [90ns]))`: 1,
		`sum by (level, detected_level) (rate({} | drop __error__ [90ns]))`:                            1,
		`sum(count_over_time({service_name="shop"}[30ns]))`:                                            1,
		`count_over_time({service="shop"}[30ns])`:                                                      0,
		`sum by (n) (count_over_time({service="shop"}[30ns]))`:                                         0,
		`sum without (level) (count_over_time({service="shop"}[30ns]))`:                                0,
		`sum(count_over_time({n="1"}[30ns]))`:                                                          0,
		`sum(count_over_time({} | level="info" or handler="a" [30ns]))`:                                0,
		`sum(count_over_time({} | level > 5 | __error__="" [30ns]))`:                                   0,
		`sum(count_over_time({} | drop level [30ns]))`:                                                 0,
		`sum(count_over_time({} |= "x" [30ns]))`:                                                       0,
		`sum(bytes_over_time({}[30ns]))`:                                                               0,
		`sum(count_over_time({level="loud"}[30ns]))`:                                                   0,
	} {
		var got [2]string
		source := &counting{memory: hundred(), able: true}
		for i, source := range []Source{source, hundred()} {
			result, err := ask(t, source, Limits{}, query, Params{To: 99})
			if err != nil {
				t.Fatal(query, err)
			}
			got[i] = show(result)
		}
		if source.counted != want || got[0] != got[1] {
			t.Errorf("%s: counted %d times, want %d\n%s\nwant\n%s", query, source.counted, want, got[0], got[1])
		}
	}
	source := &counting{memory: hundred(), able: true}
	if _, err := ask(t, source, Limits{Points: 99}, "sum(count_over_time({}[100ns]))", Params{To: 99}); err == nil {
		t.Error("more counts than allowed")
	}
	source.fail = errDisk
	if _, err := ask(t, source, Limits{}, "sum(count_over_time({}[100ns]))", Params{To: 99}); !errors.Is(err, errDisk) {
		t.Error(err)
	}
	if _, err := ask(t, source, Limits{}, "sum(count_over_time({}[7ns]))", Params{To: 99, Step: 5}); !errors.Is(err, errDisk) || source.counted != 2 {
		t.Error("windows that are not made of whole buckets are counted", err)
	}
}

// TestSeriesApart: values with bytes that no name has do not make two series one.
func TestSeriesApart(t *testing.T) {
	source := &memory{entries: []*entry.Entry{
		{Attrs: []entry.Attr{{Name: "a", Value: "1\xffb\xff2"}}},
		{Attrs: []entry.Attr{{Name: "a", Value: "1"}, {Name: "b", Value: "2"}}},
		{Attrs: []entry.Attr{{Name: "a", Value: "1\xfe\x01b\xfe\x012"}}},
	}}
	result, err := ask(t, source, Limits{}, "sum by (a, b) (count_over_time({}[1s]))", Params{To: 1})
	if err != nil || len(result.Series) != 3 {
		t.Errorf("%d series, want 3: %v", len(result.Series), err)
	}
}

func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &memory{}
		ctx, cancel := context.WithCancel(t.Context())
		e, err := ParseLog(`{service="shop"} |= "x" | json`)
		if err != nil {
			t.Fatal(err)
		}
		source.Publish(&entry.Entry{Service: "shop", Message: "x before"})
		tail, err := New(source, Limits{}).Follow(ctx, e)
		if err != nil {
			t.Fatal(err)
		}
		got := make(chan []Line)
		go func() {
			for {
				lines := tail.Next(ctx, 2)
				got <- lines
				if lines == nil {
					return
				}
			}
		}()
		source.Publish(&entry.Entry{Service: "bank", Message: "x"})
		source.Publish(&entry.Entry{Service: "shop", Message: "y"})
		source.Publish(&entry.Entry{Service: "shop", Message: `{"x": 1}`, Time: -5})
		if lines := <-got; len(lines) != 1 || lines[0].Parsed.Get("x") != "1" {
			t.Error(lines)
		}
		if !source.Followed() {
			t.Error("nobody follows")
		}
		cancel()
		if lines := <-got; lines != nil {
			t.Error(lines)
		}
		synctest.Wait()
		if source.Followed() {
			t.Error("still followed")
		}
		source.Publish(&entry.Entry{})
	})
}

// TestFollowBounds: who is too slow misses lines, and who publishes never waits.
func TestFollowBounds(t *testing.T) {
	source := &memory{}
	tail, err := New(source, Limits{}).Follow(t.Context(), &LogExpr{})
	if err != nil {
		t.Fatal(err)
	}
	for range followBuffer + 7 {
		source.Publish(&entry.Entry{Message: "x"})
	}
	if n := tail.Dropped(); n != 7 {
		t.Errorf("%d dropped, want 7", n)
	}
	if n := tail.Dropped(); n != 0 {
		t.Errorf("%d dropped again", n)
	}
	if n := len(tail.Next(t.Context(), 1<<20)); n != followBuffer {
		t.Errorf("%d lines, want %d", n, followBuffer)
	}
	for range MaxFollowers - 1 {
		if _, err := source.Subscribe(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := New(source, Limits{}).Follow(t.Context(), &LogExpr{}); !errors.Is(err, ErrFollowers) {
		t.Error(err)
	}
	if _, err := New(struct{ Source }{source}, Limits{}).Follow(t.Context(), &LogExpr{}); !errors.Is(err, ErrNoFollow) {
		t.Error(err)
	}
	if _, err := New(source, Limits{}).Follow(t.Context(), &LogExpr{Stages: []Stage{&Regexp{"("}}}); err == nil {
		t.Error("a stage that cannot be compiled is followed")
	}
}

// TestParserBounds: what is too deep or too long is refused.
func TestParserBounds(t *testing.T) {
	for name, query := range map[string]string{
		"long":        "{} |= \"" + strings.Repeat("x", MaxQuery) + "\"",
		"deep":        strings.Repeat("(", MaxDepth+1) + "1" + strings.Repeat(")", MaxDepth+1),
		"powers":      strings.Repeat("1^", MaxDepth+1) + "1",
		"sums":        strings.Repeat("1+", MaxDepth+1) + "1",
		"functions":   strings.Repeat("sum(", MaxDepth+1) + "vector(1)" + strings.Repeat(")", MaxDepth+1),
		"conditions":  "{} | " + strings.Repeat("(", MaxDepth+1) + "a=1" + strings.Repeat(")", MaxDepth+1),
		"comparisons": "{} | a=1" + strings.Repeat(" and a=1", MaxStages+1),
		"stages":      "{}" + strings.Repeat(" | json", MaxStages+1),
		"regexp":      "{a=~\"" + strings.Repeat("x", MaxRegexp+1) + "\"}",
		"repetition":  "{a=~\"(x{1000}){1000}\"}",
	} {
		if _, err := Parse(query); err == nil {
			t.Errorf("%s is allowed", name)
		} else if _, ok := errors.AsType[*Error](err); !ok {
			t.Errorf("%s: %T %v", name, err, err)
		}
	}
	ok := strings.Repeat("(", MaxDepth-1) + "1" + strings.Repeat(")", MaxDepth-1)
	if _, err := Parse(ok); err != nil {
		t.Error(err)
	}
	if _, err := ParseLog("vector(1)"); err == nil {
		t.Error("numbers are lines")
	}
	if m, err := ParseMatchers(`{a="b", c!~"d"}`); err != nil || len(m) != 2 || m[1].String() != `c!~"d"` {
		t.Error(m, err)
	}
	for _, s := range []string{`{a="b"} |= "x"`, "{", ";"} {
		if _, err := ParseMatchers(s); err == nil {
			t.Errorf("%s is a selector", s)
		}
	}
}

// TestSlow: sliding over many panes costs about as much as there are panes, not panes × moments.
func TestSlow(t *testing.T) {
	source := &memory{}
	for i := range int64(20_000) {
		source.entries = append(source.entries, &entry.Entry{Time: i * int64(time.Second), Service: "shop"})
	}
	start := time.Now()
	result, err := ask(t, source, Limits{}, "sum(count_over_time({}[5000s]))", Params{To: int64(10_000 * time.Second), Step: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if p := result.Series[0].Points; len(p) != 10_001 || p[10_000].Value != 5000 || p[10].Value != 11 {
		t.Error(len(p), p[10_000], p[10])
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("%v", took)
	}
}
