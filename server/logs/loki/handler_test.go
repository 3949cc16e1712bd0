package loki

import (
	"context"
	"errors"
	"flag"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion/server/logs/entry"
	"github.com/gabion-io/gabion/server/logs/logql"
)

var rewrite = flag.Bool("rewrite", false, "put the actual answers into the scripts")

// memory is a source of entries that are sorted by time.
type memory struct {
	logql.Live
	entries []*entry.Entry
	fail    error
	gap     *logql.Gap // is left out of every answer
	block   bool       // Select waits until the context ends
}

func (m *memory) Select(ctx context.Context, q logql.Query) iter.Seq2[*entry.Entry, error] {
	return func(yield func(*entry.Entry, error) bool) {
		if m.block {
			<-ctx.Done()
			return
		}
		if m.gap != nil {
			logql.LeaveOut(ctx, *m.gap)
		}
		list := slices.Clone(m.entries)
		if !q.Forward {
			slices.Reverse(list)
		}
		for _, e := range list {
			if q.Match(e) && !yield(e, nil) {
				return
			}
		}
		if m.fail != nil {
			yield(nil, m.fail)
		}
	}
}

// noon is when the tests are.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func shop() *memory {
	m := &memory{}
	add := func(ago time.Duration, level entry.Level, service, handler, trace, message string, attrs ...entry.Attr) {
		m.entries = append(m.entries, &entry.Entry{
			Time: noon.Add(-ago).UnixNano(), Level: level, Service: service, Handler: handler, Trace: trace, Message: message, Attrs: attrs,
		})
	}
	add(30*time.Minute, entry.Info, "shop", "/cart", "", `status=200 took=10ms`, entry.Attr{Name: "user.id", Value: "7"})
	add(20*time.Minute, entry.Error, "shop", "/cart", "abc", `status=500 took=2s msg="<no> \"stock\""`)
	add(90*time.Second+500*time.Millisecond, entry.Info, "bank", "/pay", "", "paid \xff")
	add(30*time.Second, entry.Info, "bank", "/pay", "", "paid again")
	return m
}

func fixed() time.Time { return noon }

// TestContract runs testdata/*.txt: a request line, the parameters and headers (with ": "), one a line; after "----" the answer: status, content type
// and body.
func TestContract(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	h := New(Config{Source: shop(), Now: fixed, Version: "1.0", Limits: logql.Limits{Lines: 1000}})
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			blocks := strings.Split(strings.TrimRight(string(content), "\n"), "\n\n")
			for i, block := range blocks {
				if strings.HasPrefix(block, "#") {
					continue
				}
				ask, want, _ := strings.Cut(block+"\n", "----\n")
				got := answerOf(h, ask)
				if got != strings.TrimSuffix(want, "\n") && !*rewrite {
					t.Errorf("%s\n%s\nwant:\n%s", ask, got, want)
				}
				blocks[i] = ask + "----\n" + got
			}
			if *rewrite {
				if err := os.WriteFile(file, []byte(strings.Join(blocks, "\n\n")+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func answerOf(h http.Handler, ask string) string {
	lines := strings.Split(strings.TrimSuffix(ask, "\n"), "\n")
	method, path, _ := strings.Cut(lines[0], " ")
	form, header := url.Values{}, http.Header{}
	for _, line := range lines[1:] {
		if name, value, ok := strings.Cut(line, ": "); ok && strings.HasPrefix(name, "X-") {
			header.Set(name, value)
			continue
		}
		name, value, _ := strings.Cut(line, "=")
		form.Add(name, value)
	}
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader(form.Encode())
		header.Set("Content-Type", "application/x-www-form-urlencoded")
	} else {
		path += "?" + form.Encode()
	}
	r := httptest.NewRequest(method, path, body)
	r.Header = header
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	kind, _, _ := strings.Cut(w.Header().Get("Content-Type"), ";")
	text := strings.ReplaceAll(w.Body.String(), runtime.Version(), "GO")
	return strings.TrimRight(http.StatusText(w.Code)+" "+kind+"\n"+text, "\n")
}

// An answer without some of the lines says so, where clients of Loki look for it.
func TestWarnings(t *testing.T) {
	whole, damaged := shop(), shop()
	damaged.gap = &logql.Gap{File: "short/1.parquet", From: noon.Add(-time.Hour), To: noon, Lines: 7}
	const warning = `{"status":"success","warnings":["up to 7 lines from 2026-11-21T11:00:00.000Z to 2026-11-21T12:00:00.000Z are left out: short/1.parquet is damaged"],"data":{`
	for _, ask := range []string{
		"GET /loki/api/v1/query_range\nquery={}\n",
		"POST /loki/api/v1/query_range\nquery=sum(count_over_time({}[1h]))\n",
		"GET /loki/api/v1/query\nquery=count_over_time({}[1h])\n",
	} {
		if got := answerOf(New(Config{Source: damaged, Now: fixed}), ask); strings.Count(got, warning) != 1 {
			t.Errorf("%s%s", ask, got)
		}
		if got := answerOf(New(Config{Source: whole, Now: fixed}), ask); !strings.Contains(got, "success") || strings.Contains(got, "warnings") {
			t.Errorf("nothing is damaged: %s%s", ask, got)
		}
	}
}

func TestErrors(t *testing.T) {
	ask := "GET /loki/api/v1/query_range\nquery={}\n"
	source := shop()
	source.fail = errors.New("the disk is gone")
	if got := answerOf(New(Config{Source: source, Now: fixed}), ask); got != "Internal Server Error text/plain\nthe disk is gone" {
		t.Error(got)
	}
	for _, path := range []string{"labels", "label/service/values", "series", "index/stats", "detected_labels"} {
		if got := answerOf(New(Config{Source: source, Now: fixed}), "GET /loki/api/v1/"+path+"\n"); got != "Internal Server Error text/plain\nthe disk is gone" {
			t.Error(path, got)
		}
	}
	slow := New(Config{Source: &memory{block: true}, Now: fixed, Timeout: 10 * time.Millisecond})
	if got := answerOf(slow, ask); !strings.HasPrefix(got, "Gateway Timeout text/plain\nthe query took too long") {
		t.Error(got)
	}
}

func TestConcurrent(t *testing.T) {
	h := New(Config{Source: shop(), Now: fixed, Concurrent: 1, Timeout: 10 * time.Millisecond})
	h.slots <- struct{}{} // another query runs
	if got := answerOf(h, "GET /loki/api/v1/query_range\nquery={}\n"); !strings.HasPrefix(got, "Gateway Timeout") {
		t.Error(got)
	}
	if got := answerOf(h, "GET /loki/api/v1/status/buildinfo\n"); !strings.HasPrefix(got, "OK ") {
		t.Error("the check of health waits for queries:", got)
	}
	<-h.slots
	if got := answerOf(h, "GET /loki/api/v1/query_range\nquery={}\n"); !strings.HasPrefix(got, "OK ") {
		t.Error(got)
	}
}

func TestGone(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	New(Config{Source: shop()}).ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/loki/api/v1/query_range?query={}", http.NoBody))
	if w.Code != statusClosed {
		t.Error(w.Code, w.Body)
	}
}

func TestTimes(t *testing.T) {
	for text, want := range map[string]int64{
		"2026-11-21T12:00:00Z":           noon.UnixNano(),
		"2026-11-21T13:00:00.5+01:00":    noon.Add(500 * time.Millisecond).UnixNano(),
		"1795262400":                     1795262400e9,
		"1795262400.25":                  1795262400.25e9,
		"1795262400123456789":            1795262400123456789,
		"1.5e3":                          1500e9,
		"-5":                             -5e9,
		"0":                              0,
		"10000000000":                    10000000000,
		"2026-11-21T12:00:00.000000001Z": noon.UnixNano() + 1,
	} {
		if got, ok := parseTime(text); !ok || got != want {
			t.Errorf("%s is %d %v, want %d", text, got, ok, want)
		}
	}
	for _, text := range []string{"now", "12:00", "NaN", "1e300", "99999999999999999999", "3000-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "."} {
		if got, ok := parseTime(text); ok {
			t.Errorf("%s is %d, want a mistake", text, got)
		}
	}
}

func FuzzParameters(f *testing.F) {
	f.Add("{}", "1", "2", "5m", "10", "forward")
	f.Add("1", "2026-11-21T12:00:00Z", "1795262400.25", "0.1", "x", "x")
	h := New(Config{Source: shop(), Now: fixed, Limits: logql.Limits{Steps: 100}})
	f.Fuzz(func(t *testing.T, query, start, end, step, limit, direction string) {
		form := url.Values{"query": {query}, "start": {start}, "end": {end}, "step": {step}, "limit": {limit}, "direction": {direction}}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/loki/api/v1/query_range?"+form.Encode(), http.NoBody))
		if w.Code != http.StatusOK && w.Code != http.StatusBadRequest {
			t.Errorf("%v: %d %s", form, w.Code, w.Body)
		}
	})
}
