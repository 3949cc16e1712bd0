package memory_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion/server/memory"
	"github.com/gabion-io/gabion/server/store"
	"github.com/gabion-io/gabion/server/store/disk"
)

// bench is the parts, opened.
type bench struct {
	t     *testing.T
	mux   *http.ServeMux
	parts []store.Part
}

func setup(t *testing.T, settings memory.Settings) *bench {
	t.Helper()
	encoded, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	guard, err := disk.New(disk.Config{Dir: dir, Ballast: disk.NoBallast, Low: 2, Full: 1})
	if err != nil {
		t.Fatal(err)
	}
	parts, err := memory.Parts(store.Env{
		Settings: store.Settings{Dir: dir, Parts: encoded}, Guard: guard, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, mux: http.NewServeMux(), parts: parts}
	for _, p := range parts {
		if err := p.Open(t.Context()); err != nil {
			t.Fatalf("the %s: %v", p.Name(), err)
		}
	}
	t.Cleanup(b.close)
	for _, p := range parts {
		p.Handle(b.mux)
	}
	return b
}

// close closes the parts. It may be called again.
func (b *bench) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, p := range slices.Backward(b.parts) {
		if err := p.Close(ctx); err != nil {
			b.t.Errorf("the %s: %v", p.Name(), err)
		}
	}
	b.parts = nil
}

// taker is the part that takes items of a kind.
func (b *bench) taker(kind string) store.Taker {
	b.t.Helper()
	for _, p := range b.parts {
		if taker, ok := p.(store.Taker); ok && slices.Contains(taker.Kinds(), kind) {
			return taker
		}
	}
	b.t.Fatalf("nobody takes %s", kind)
	return nil
}

func (b *bench) do(method, target, body string) (int, string) {
	b.t.Helper()
	w := httptest.NewRecorder()
	b.mux.ServeHTTP(w, httptest.NewRequestWithContext(b.t.Context(), method, target, strings.NewReader(body)))
	return w.Code, w.Body.String()
}

// ask evaluates an expression.
func (b *bench) ask(expr string) string {
	b.t.Helper()
	code, body := b.do(http.MethodGet, "/prometheus/api/v1/query?query="+url.QueryEscape(expr), "")
	if code != http.StatusOK {
		b.t.Fatalf("%s: %d %s", expr, code, body)
	}
	return body
}

func TestTheGatewaysMetricsAreTaken(t *testing.T) {
	b := setup(t, memory.Settings{Instance: "here:8081"})
	now := time.Now().UnixMilli()
	items := [][]byte{
		fmt.Appendf(nil, "# HELP requests_total Requests.\n# TYPE requests_total counter\nrequests_total{service=\"a\"} 3 %d\n", now-2000),
		fmt.Appendf(nil, "requests_total{service=\"a\"} 5 %d\n", now-1000),
		[]byte("this is no metric\n"),
		fmt.Appendf(nil, "requests_total{service=\"a\"} 7 %d\n", now),
	}
	n, err := b.taker(memory.KindMetrics).Take(t.Context(), memory.KindMetrics, items)
	if n != 2 || !errors.Is(err, store.ErrRefused) || !strings.Contains(err.Error(), "line 1") {
		t.Fatalf("%d are taken: %v", n, err)
	}
	if n, err := b.taker(memory.KindMetrics).Take(t.Context(), memory.KindMetrics, items[3:]); n != 1 || err != nil {
		t.Fatalf("%d are taken: %v", n, err)
	}
	got := b.ask(`requests_total[1m]`)
	want := fmt.Sprintf(`"metric":{"__name__":"requests_total","instance":"here:8081","job":"gabion","service":"a"},"values":[[%s,"3"],[%s,"5"],[%s,"7"]]`,
		seconds(now-2000), seconds(now-1000), seconds(now))
	if !strings.Contains(got, want) {
		t.Errorf("%s\nis not\n%s", got, want)
	}
	if _, body := b.do(http.MethodGet, "/prometheus/api/v1/metadata", ""); !strings.Contains(body, "Requests.") {
		t.Error(body)
	}
}

// A counter that comes with its first count was zero before, so that the count is seen.
func TestTheFirstCountIsSeen(t *testing.T) {
	b := setup(t, memory.Settings{})
	now := time.Now().UnixMilli()
	const about = "# TYPE requests_total counter\n# TYPE size histogram\n# TYPE waiting gauge\n"
	gather := func(ago int64, format string) {
		t.Helper()
		text := about + strings.ReplaceAll(format, "@", fmt.Sprint(now-ago))
		if _, err := b.taker(memory.KindMetrics).Take(t.Context(), memory.KindMetrics, [][]byte{[]byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	gather(30_000, "requests_total{code=\"200\"} 7 @\n")
	gather(20_000, "requests_total{code=\"200\"} 8 @\n")
	gather(10_000, "requests_total{code=\"200\"} 9 @\nrequests_total{code=\"500\"} 2 @\n")
	gather(10_000, "size_bucket{le=\"1\"} 3 @\nsize_bucket{le=\"+Inf\"} 4 @\nsize_sum 5 @\nsize_count 4 @\nwaiting 6 @\n") // another part
	gather(0, "requests_total{code=\"200\"} 9 @\nrequests_total{code=\"500\"} 3 @\nsize_bucket{le=\"1\"} 3 @\n")
	for expr, want := range map[string]string{
		`requests_total{code="200"}[1m]`: `"values":[[%[1]s,"7"],[%[2]s,"8"],[%[3]s,"9"],[%[4]s,"9"]]`, // the first ones may be old counts
		`requests_total{code="500"}[1m]`: `"values":[[%[2]s,"0"],[%[3]s,"2"],[%[4]s,"3"]]`,
		`size_bucket{le="1"}[1m]`:        `"values":[[%[2]s,"0"],[%[3]s,"3"],[%[4]s,"3"]]`,
		`size_sum[1m]`:                   `"values":[[%[2]s,"0"],[%[3]s,"5"]]`,
		`size_count[1m]`:                 `"values":[[%[2]s,"0"],[%[3]s,"4"]]`,
		`waiting[1m]`:                    `"values":[[%[3]s,"6"]]`,
	} {
		want = fmt.Sprintf("%.0[1]s%.0[2]s%.0[3]s%.0[4]s"+want, seconds(now-30_000), seconds(now-20_000), seconds(now-10_000), seconds(now))
		if got := b.ask(expr); !strings.Contains(got, want) {
			t.Errorf("%s: %s\nis not\n%s", expr, got, want)
		}
	}
}

// seconds is a time as Prometheus writes it.
func seconds(milliseconds int64) string {
	return strings.TrimSuffix(fmt.Sprintf("%d.%03d", milliseconds/1000, milliseconds%1000), ".000")
}

func TestMetricsOfOthers(t *testing.T) {
	const day = 24 * time.Hour
	b := setup(t, memory.Settings{Version: "1.2.3", Metrics: memory.Metrics{Raw: memory.Keep{For: 3 * day}, Long: memory.Keep{For: 365 * day}}})
	for _, target := range []string{"/api/v1/metrics", "/prometheus/api/v1/metrics"} {
		if code, body := b.do(http.MethodPost, target+"?service="+fmt.Sprint(strings.Count(target, "/")), "orders 1\n"); code != http.StatusOK {
			t.Errorf("%s: %d %s", target, code, body)
		}
	}
	if got := b.ask(`count(orders)`); !strings.Contains(got, `"2"]`) {
		t.Error(got)
	}
	for what, want := range map[string]string{"buildinfo": "1.2.3", "runtimeinfo": "3d raw, 1y rolled up"} {
		if _, body := b.do(http.MethodGet, "/prometheus/api/v1/status/"+what, ""); !strings.Contains(body, want) {
			t.Error(body)
		}
	}
}

func TestSettings(t *testing.T) {
	for name, text := range map[string]string{"unknown": `{"metric": {}}`, "broken": `{"metrics": `} {
		if _, err := memory.Parts(store.Env{Settings: store.Settings{Parts: json.RawMessage(text)}}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if parts, err := memory.Parts(store.Env{}); err != nil || len(parts) == 0 {
		t.Errorf("without settings: %v", err)
	}
}

func TestScrape(t *testing.T) {
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "orders_total 7") }))
	t.Cleanup(target.Close)
	address := strings.TrimPrefix(target.URL, "http://")
	b := setup(t, memory.Settings{Metrics: memory.Metrics{Scrape: []memory.Scrape{{Job: "shop", Targets: []string{address}, Interval: 100 * time.Millisecond}}}})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	want := fmt.Sprintf(`"metric":{"__name__":"orders_total","instance":"%s","job":"shop"}`, address)
	for tick := time.NewTicker(20 * time.Millisecond); !strings.Contains(b.ask("orders_total"), want); {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal(b.ask("orders_total"), b.ask("up"))
		}
	}
}
