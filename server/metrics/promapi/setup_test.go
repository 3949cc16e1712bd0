package promapi

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/gabion-io/gabion/server/metrics/tier"
)

// start is where the tests' time begins.
var start = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)

type bundle struct {
	*API
	t     testing.TB
	now   time.Time
	store *tier.Store
}

func setup(t testing.TB, change func(*tier.Options)) *bundle {
	t.Helper()
	b := &bundle{t: t, now: start}
	o := tier.Options{Now: func() time.Time { return b.now }, Monotonic: func() time.Duration { return b.now.Sub(start) + time.Hour }}
	if change != nil {
		change(&o)
	}
	s, err := tier.Open(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	b.store = s
	b.API = New(Config{Store: s, Version: "1.2.3", Revision: "abc", Now: func() time.Time { return b.now }})
	return b
}

// seed is what the contract is about: a gauge, two counters with an hour of samples, and a native histogram.
func (b *bundle) seed() {
	b.t.Helper()
	for i := range 61 {
		at := start.Add(time.Duration(i) * time.Minute)
		b.now = at
		batch := []tier.Sample{
			sample(at, 1, "__name__", "up", "instance", "a:80", "job", "shop"),
			sample(at, float64(i*60), "__name__", "requests_total", "code", "200", "service", "cart"),
			sample(at, float64(i*6), "__name__", "requests_total", "code", "500", "service", "cart"),
		}
		if _, err := b.store.Append(b.t.Context(), "seed", batch); err != nil {
			b.t.Fatal(err)
		}
	}
	h := tier.Sample{Labels: labels.FromStrings("__name__", "latency", "service", "cart"), At: b.now.UnixMilli(), FloatHistogram: &histogram.FloatHistogram{
		Count: 6, Sum: 12.5, ZeroThreshold: 0.001, ZeroCount: 1,
		PositiveSpans: []histogram.Span{{Offset: 0, Length: 2}}, PositiveBuckets: []float64{2, 3},
	}}
	if d, err := b.store.Append(b.t.Context(), "seed", []tier.Sample{h}); err != nil || d.Samples > 0 {
		b.t.Fatal(err, d)
	}
	b.store.Describe("requests_total", tier.Metadata{Type: "counter", Help: "Requests."})
}

func sample(at time.Time, value float64, pairs ...string) tier.Sample {
	return tier.Sample{Labels: labels.FromStrings(pairs...), At: at.UnixMilli(), Value: value}
}

// send serves one request.
func (b *bundle) send(method, path, body string, header ...string) *http.Response {
	b.t.Helper()
	r := httptest.NewRequestWithContext(b.t.Context(), method, path, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r)
	return w.Result()
}

func (b *bundle) post(path, body string, header ...string) (int, string) {
	b.t.Helper()
	return read(b.t, b.send(http.MethodPost, path, body, header...))
}

// ask is the answer to a query now.
func (b *bundle) ask(query string) string {
	b.t.Helper()
	_, body := read(b.t, b.send(http.MethodGet, "/api/v1/query?query="+url.QueryEscape(query), ""))
	return body
}

func read(t testing.TB, r *http.Response) (int, string) {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(body)
}
