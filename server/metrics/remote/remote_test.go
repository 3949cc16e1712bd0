package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/prometheus/prometheus/promql"
	"go.uber.org/goleak"

	"github.com/gabion-io/gabion/server/metrics/promapi"
	"github.com/gabion-io/gabion/server/metrics/tier"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func sample(at int64, v float64, pairs ...string) tier.Sample {
	return tier.Sample{Labels: labels.FromStrings(pairs...), At: at, Value: v}
}

// wire is a receiver whose answers a test decides. It needs no network, so that time can be the test's.
type wire struct {
	mu      sync.Mutex
	answers []func() (*http.Response, error) // of the next requests; then 204
	asked   []*http.Request
	bodies  [][]byte
	at      []time.Time
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked, w.bodies, w.at = append(w.asked, r), append(w.bodies, body), append(w.at, time.Now())
	if len(w.answers) > 0 {
		next := w.answers[0]
		w.answers = w.answers[1:]
		return next()
	}
	return status(http.StatusNoContent)()
}

func status(code int, header ...string) func() (*http.Response, error) {
	return func() (*http.Response, error) {
		r := &http.Response{StatusCode: code, Status: fmt.Sprint(code), Header: http.Header{}, Body: io.NopCloser(strings.NewReader("why"))}
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		return r, nil
	}
}

func broken() (*http.Response, error) { return nil, errors.New("connection refused") }

// pass lets time pass.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func open(t *testing.T, c Config) *Writer {
	t.Helper()
	if c.URL == "" {
		c.URL = "http://store.example/api/v1/write"
	}
	w, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func end(t *testing.T, w *Writer) {
	t.Helper()
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// kinds is one sample of each kind.
func kinds(at int64) []tier.Sample {
	whole := &histogram.Histogram{Schema: 1, Count: 6, Sum: 12.5, ZeroThreshold: 0.001, ZeroCount: 1, PositiveSpans: []histogram.Span{{Offset: 0, Length: 2}}, PositiveBuckets: []int64{2, 1}}
	parts := &histogram.FloatHistogram{Schema: 1, Count: 6, Sum: 12.5, ZeroThreshold: 0.001, ZeroCount: 1, PositiveSpans: []histogram.Span{{Offset: 0, Length: 2}}, PositiveBuckets: []float64{2, 3}}
	return []tier.Sample{
		sample(at, 1.5, "__name__", "a", "job", "shop"),
		sample(at, math.Float64frombits(value.StaleNaN), "__name__", "b", "job", "shop"),
		{Labels: labels.FromStrings("__name__", "c"), At: at, Histogram: whole},
		{Labels: labels.FromStrings("__name__", "d"), At: at, FloatHistogram: parts},
	}
}

// line is a sample as text, all that counts in it.
func line(l labels.Labels, at int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram) string {
	switch {
	case h != nil:
		return fmt.Sprint(l, at, " ", h)
	case fh != nil:
		return fmt.Sprint(l, at, " ", fh)
	}
	return fmt.Sprintf("%v%d %x", l, at, math.Float64bits(v))
}

func lines(batch []tier.Sample) (all []string) {
	for _, s := range batch {
		all = append(all, line(s.Labels, s.At, s.Value, s.Histogram, s.FloatHistogram))
	}
	return all
}

// read decodes a body with the types of Prometheus.
func read(t *testing.T, version int, body []byte) (all []string) {
	t.Helper()
	raw, err := snappy.Decode(nil, body)
	if err != nil {
		t.Fatal(err)
	}
	b := labels.NewScratchBuilder(0)
	if version == 2 {
		var r writev2.Request
		if err := r.Unmarshal(raw); err != nil {
			t.Fatal(err)
		}
		for _, s := range r.Timeseries {
			l, err := s.ToLabels(&b, r.Symbols)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range s.Samples {
				all = append(all, line(l, p.Timestamp, p.Value, nil, nil))
			}
			for _, h := range s.Histograms {
				if h.IsFloatHistogram() {
					all = append(all, line(l, h.Timestamp, 0, nil, h.ToFloatHistogram()))
				} else {
					all = append(all, line(l, h.Timestamp, 0, h.ToIntHistogram(), nil))
				}
			}
		}
		return all
	}
	var r prompb.WriteRequest
	if err := r.Unmarshal(raw); err != nil {
		t.Fatal(err)
	}
	for _, s := range r.Timeseries {
		l := s.ToLabels(&b, nil)
		for _, p := range s.Samples {
			all = append(all, line(l, p.Timestamp, p.Value, nil, nil))
		}
		for _, h := range s.Histograms {
			if h.IsFloatHistogram() {
				all = append(all, line(l, h.Timestamp, 0, nil, h.ToFloatHistogram()))
			} else {
				all = append(all, line(l, h.Timestamp, 0, h.ToIntHistogram(), nil))
			}
		}
	}
	return all
}

// TestDecoded: what is sent is what Prometheus' own types read, also when memory is used again.
func TestDecoded(t *testing.T) {
	for version, content := range map[int]string{1: "application/x-protobuf", 2: "application/x-protobuf;proto=io.prometheus.write.v2.Request"} {
		synctest.Test(t, func(t *testing.T) {
			to := &wire{}
			w := open(t, Config{Version: version, Transport: to})
			defer end(t, w)
			for i, batch := range [][]tier.Sample{kinds(1000), slices.Concat(kinds(2000), kinds(3000)), {sample(4000, 2, "__name__", "z")}, kinds(5000)} {
				w.Take(batch)
				pass(2 * time.Second)
				if got, want := read(t, version, to.bodies[i]), lines(batch); !slices.Equal(got, want) {
					t.Errorf("version %d, batch %d: %v\nwant %v", version, i, got, want)
				}
			}
			if h := to.asked[0].Header; h.Get("Content-Type") != content || h.Get("Content-Encoding") != "snappy" || !strings.HasPrefix(h.Get("X-Prometheus-Remote-Write-Version"), map[int]string{1: "0.1", 2: "2.0"}[version]) {
				t.Errorf("headers: %v", h)
			}
			if s := w.Status(); s.Sent != 17 || s.Waiting != 0 || s.Error != "" {
				t.Errorf("%+v", s)
			}
		})
	}
}

// TestToGabion: over a real connection, into a store like the one that it came from.
func TestToGabion(t *testing.T) {
	for version := 1; version <= 2; version++ {
		there, err := tier.Open(t.TempDir(), tier.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer there.Close()
		server := httptest.NewServer(promapi.New(promapi.Config{Store: there}))
		defer server.Close()
		w := open(t, Config{URL: server.URL + "/api/v1/write", Version: version, Labels: map[string]string{"cluster": "east", "job": "none"}})
		here, err := tier.Open(t.TempDir(), tier.Options{Taken: w.Take})
		if err != nil {
			t.Fatal(err)
		}
		defer here.Close()
		at := time.Now()
		batch := append(kinds(at.UnixMilli()), sample(1, 1, "__name__", "a", "job", "too old"))
		if d, err := here.Append(t.Context(), "test", batch); err != nil || d.Samples != 1 {
			t.Fatal(err, d)
		}
		end(t, w)
		if s := w.Status(); s.Sent != 4 || s.Refused+s.Dropped+s.Retries > 0 {
			t.Errorf("%+v", s)
		}
		for query, want := range map[string]string{
			`a{cluster="east",job="shop"}`:   "1",
			`{__name__="b"}`:                 "0",
			`c{cluster="east",job="none"}`:   "1",
			`histogram_count(d)`:             "1",
			`{job="too old"}`:                "0",
			`count({cluster="east"}) == 3`:   "1",
			`histogram_sum(c) == 12.5`:       "1",
			`histogram_count(c) == bool 6`:   "1",
			`a == 1.5`:                       "1",
			`count_over_time(a[1m]) == 1`:    "1",
			`count_over_time({job="x"}[1m])`: "0",
		} {
			a, err := there.Instant(t.Context(), query, at, tier.Asking{})
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(len(a.Value.(promql.Vector))); got != want {
				t.Errorf("version %d: %s finds %s series, want %s: %v", version, query, got, want, a.Value)
			}
			a.Close()
		}
	}
}

// TestTakeKeepsNothing: whoever gave the samples uses their memory again, and all of it is counted.
func TestTakeKeepsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &wire{answers: []func() (*http.Response, error){broken}}
		w := open(t, Config{Transport: to})
		defer end(t, w)
		long := strings.Repeat("x", 1000)
		batch := make([]tier.Sample, 500) // more than one chunk
		for i := range batch {
			batch[i] = sample(int64(i), 1, "__name__", "a", "long", long)
		}
		want, size := lines(batch), 0
		for i := range batch {
			size += sizeOf(&batch[i])
		}
		w.Take(batch)
		clear(batch)
		const chunk = 64 // what the queue adds for each
		if s := w.Status(); s.Waiting != 500 || s.Bytes <= size || (s.Bytes-size)%chunk != 0 || s.Bytes > size+10*chunk {
			t.Errorf("%+v", s)
		}
		pass(time.Minute)
		var got []string
		for _, body := range to.bodies[1:] {
			got = append(got, read(t, 1, body)...)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d samples came, the first is %.200s", len(got), got)
		}
	})
}

// TestSymbolsOfTheRequest: those of an earlier one are not sent again.
func TestSymbolsOfTheRequest(t *testing.T) {
	e := newSecond()
	sizes := map[int]bool{}
	for i := range 3 {
		body, err := e.encode([][]tier.Sample{{sample(1, 1, "__name__", fmt.Sprint("name", i))}})
		if err != nil {
			t.Fatal(err)
		}
		sizes[len(body)] = true
	}
	if len(sizes) != 1 {
		t.Errorf("requests that are alike have %v bytes", sizes)
	}
}

func TestRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &wire{answers: []func() (*http.Response, error){broken, status(503), status(429, "Retry-After", "60"), status(401)}}
		w := open(t, Config{Transport: to})
		defer end(t, w)
		w.Take(kinds(1000))
		pass(30 * time.Second)
		if s := w.Status(); s.Waiting != 4 || s.Retries != 3 || !strings.Contains(s.Error, "429") {
			t.Errorf("%+v", s)
		}
		w.Take(kinds(2000))
		pass(2 * time.Minute)
		if s := w.Status(); s.Sent != 8 || s.Retries != 4 || s.Waiting+int(s.Dropped+s.Refused) != 0 || s.Error != "" {
			t.Errorf("%+v", s)
		}
		if wait := to.at[3].Sub(to.at[2]); wait < 60*time.Second {
			t.Errorf("it came again after %v", wait)
		}
		if got, want := read(t, 1, to.bodies[len(to.bodies)-1]), lines(slices.Concat(kinds(1000), kinds(2000))); !slices.Equal(got, want) {
			t.Errorf("at last: %v", got)
		}
	})
}

// TestRefused: what the receiver will never take is not sent again.
func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &wire{answers: []func() (*http.Response, error){status(400), status(413), status(415)}}
		w := open(t, Config{Transport: to})
		defer end(t, w)
		for range 4 {
			w.Take(kinds(1000))
			pass(time.Minute)
		}
		if s := w.Status(); s.Refused != 12 || s.Sent != 4 || s.Retries != 0 || len(to.asked) != 4 {
			t.Errorf("%+v, %d requests", s, len(to.asked))
		}
	})
}

// TestAway: nobody waits for a receiver that is away, memory is bounded, and the newest is what is kept.
func TestAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &wire{}
		for range 1000 {
			to.answers = append(to.answers, broken)
		}
		w := open(t, Config{Transport: to, Memory: memoryMin})
		const all = 200_000
		long := strings.Repeat("x", 100)
		for i := range all / 1000 {
			batch := make([]tier.Sample, 1000)
			for j := range batch {
				batch[j] = sample(int64(i*1000+j), 1, "__name__", "a", "long", long)
			}
			w.Take(batch)
			if s := w.Status(); s.Bytes > memoryMin {
				t.Fatalf("it holds %d bytes", s.Bytes)
			}
		}
		s := w.Status()
		if s.Dropped == 0 || int(s.Dropped)+s.Waiting != all {
			t.Errorf("%+v", s)
		}
		pass(time.Minute)
		to.mu.Lock()
		to.answers = nil
		to.mu.Unlock()
		pass(time.Hour)
		end(t, w)
		after := w.Status()
		if int(after.Sent) != s.Waiting || after.Dropped != s.Dropped {
			t.Errorf("then %+v", after)
		}
		last := read(t, 1, to.bodies[len(to.bodies)-1])
		if want := lines([]tier.Sample{sample(all-1, 1, "__name__", "a", "long", long)}); last[len(last)-1] != want[0] {
			t.Errorf("the last one is %s", last[len(last)-1])
		}
	})
}

func TestCloseWhileAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &wire{}
		for range 1000 {
			to.answers = append(to.answers, broken)
		}
		w := open(t, Config{Transport: to})
		w.Take(kinds(1000))
		pass(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		err := w.Close(ctx)
		if err == nil || !strings.Contains(err.Error(), "4 not sent") || time.Since(began) > 2*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		w.Take(kinds(2000))
		if s := w.Status(); s.Dropped != 8 || s.Waiting != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestWhoSends(t *testing.T) {
	for want, c := range map[string]Config{
		"":                   {},
		"Basic bWU6c2VjcmV0": {User: "me", Password: "secret"},
		"Bearer secret":      {Token: "secret"},
	} {
		synctest.Test(t, func(t *testing.T) {
			to := &wire{}
			c.Transport, c.Header = to, http.Header{"X-Scope-Orgid": {"7"}}
			w := open(t, c)
			w.Take(kinds(1))
			end(t, w)
			if h := to.asked[0].Header; h.Get("Authorization") != want || h.Get("X-Scope-OrgID") != "7" || h.Get("User-Agent") != "gabion" {
				t.Errorf("headers: %v", h)
			}
			if len(c.Header) != 1 {
				t.Errorf("the header of the configuration was changed: %v", c.Header)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	fine := "http://a/b"
	for name, tc := range map[string]struct {
		c    Config
		want []string
	}{
		"fine":        {Config{URL: fine, Version: 2, Labels: map[string]string{"cluster": "east"}}, nil},
		"no URL":      {Config{}, []string{"http://"}},
		"other":       {Config{URL: "ftp://a"}, []string{"http://"}},
		"unreadable":  {Config{URL: "http://me:secret@a:b:c"}, []string{"cannot be read"}},
		"user in URL": {Config{URL: "http://me:secret@a/"}, []string{"may not stand in the URL"}},
		"all at once": {
			Config{URL: fine, Version: 3, Token: "secret", User: "me", Memory: 1, Labels: map[string]string{"": "x", "__name__": "y", "z": ""}},
			[]string{"version 3", "which shall it be", "memory of 1", `label ""`, `label "__name__"`, `label "z"`},
		},
	} {
		err := tc.c.Check()
		if (err == nil) != (tc.want == nil) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, want := range tc.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", name, err, want)
			}
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error tells a secret: %v", name, err)
		}
		if err != nil {
			if _, err := New(tc.c); err == nil {
				t.Errorf("%s: New takes it", name)
			}
		}
	}
}

func BenchmarkTake(b *testing.B) {
	for version := 1; version <= 2; version++ {
		b.Run(fmt.Sprint("version ", version), func(b *testing.B) {
			var e encoder = &first{}
			if version == 2 {
				e = newSecond()
			}
			batch := make([]tier.Sample, 4000)
			for i := range batch {
				batch[i] = sample(int64(i), float64(i), "__name__", "gabion_http_requests_total", "code", "200", "instance", "10.0.0.1", "job", "gateway", "route", fmt.Sprint("route-", i/20), "service", fmt.Sprint("s", i%10))
			}
			size := 0
			b.ResetTimer()
			for range b.N {
				body, err := e.encode([][]tier.Sample{batch})
				if err != nil {
					b.Fatal(err)
				}
				size = len(body)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(batch)), "ns/sample")
			b.ReportMetric(float64(size)/float64(len(batch)), "B/sample")
		})
	}
}
