package promapi

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"github.com/gabion-io/gabion/server/metrics/tier"
)

var (
	firstHeader  = []string{"Content-Type", "application/x-protobuf", "Content-Encoding", "snappy", "X-Prometheus-Remote-Write-Version", "0.1.0"}
	secondHeader = []string{"Content-Type", "application/x-protobuf;proto=io.prometheus.write.v2.Request", "Content-Encoding", "snappy"}
)

// ints is a native histogram with whole counts.
var ints = &histogram.Histogram{
	Schema: 1, Count: 5, Sum: 7.5, ZeroThreshold: 0.001, ZeroCount: 1,
	PositiveSpans: []histogram.Span{{Offset: 0, Length: 2}}, PositiveBuckets: []int64{1, 2},
}

// first is a request of remote-write 1: a counter, a native histogram, and what the counter means.
func first(at time.Time) *prompb.WriteRequest {
	ms := at.UnixMilli()
	return &prompb.WriteRequest{
		Timeseries: []prompb.TimeSeries{
			{
				Labels:  []prompb.Label{{Name: "__name__", Value: "orders_total"}, {Name: "job", Value: "shop"}},
				Samples: []prompb.Sample{{Timestamp: ms - 1000, Value: 1}, {Timestamp: ms, Value: 2}},
			},
			{
				Labels:     []prompb.Label{{Name: "__name__", Value: "latency"}, {Name: "job", Value: "shop"}},
				Histograms: []prompb.Histogram{prompb.FromIntHistogram(ms, ints), prompb.FromFloatHistogram(ms+1000, ints.ToFloat(nil))},
			},
		},
		Metadata: []prompb.MetricMetadata{{Type: prompb.MetricMetadata_COUNTER, MetricFamilyName: "orders_total", Help: "Orders.", Unit: "1"}},
	}
}

// second is the same in remote-write 2.
func second(at time.Time) *writev2.Request {
	ms := at.UnixMilli()
	s := writev2.NewSymbolTable()
	refs := func(pairs ...string) (out []uint32) {
		for _, p := range pairs {
			out = append(out, s.Symbolize(p))
		}
		return out
	}
	r := &writev2.Request{Timeseries: []writev2.TimeSeries{
		{
			LabelsRefs: refs("__name__", "orders_total", "job", "shop"),
			Samples:    []writev2.Sample{{Timestamp: ms - 1000, Value: 1}, {Timestamp: ms, Value: 2}},
			Metadata:   writev2.Metadata{Type: writev2.Metadata_METRIC_TYPE_COUNTER, HelpRef: s.Symbolize("Orders."), UnitRef: s.Symbolize("1")},
		},
		{
			LabelsRefs: refs("__name__", "latency", "job", "shop"),
			Histograms: []writev2.Histogram{writev2.FromIntHistogram(0, ms, ints), writev2.FromFloatHistogram(0, ms+1000, ints.ToFloat(nil))},
		},
	}}
	r.Symbols = s.Symbols()
	return r
}

type message interface{ Marshal() ([]byte, error) }

func pack(t testing.TB, m message) string {
	t.Helper()
	b, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return string(snappy.Encode(nil, b))
}

func TestRemoteWrite(t *testing.T) {
	for name, test := range map[string]struct {
		body   message
		header []string
	}{"1": {first(start), firstHeader}, "2": {second(start), secondHeader}} {
		t.Run(name, func(t *testing.T) {
			b := setup(t, nil)
			r := b.send(http.MethodPost, "/api/v1/write", pack(t, test.body), test.header...)
			if status, body := read(t, r); status != http.StatusNoContent {
				t.Fatalf("%d %s", status, body)
			}
			if name == "2" {
				for h, want := range map[string]string{"Samples": "2", "Histograms": "2", "Exemplars": "0"} {
					if got := r.Header.Get("X-Prometheus-Remote-Write-" + h + "-Written"); got != want {
						t.Errorf("%s written: %q, want %q", h, got, want)
					}
				}
			}
			if got, want := b.ask(`orders_total[1m]`), `"values":[[1772445599,"1"],[1772445600,"2"]]`; !strings.Contains(got, want) {
				t.Errorf("the counter: %s", got)
			}
			if got, want := b.ask(`histogram_count(latency)`), `"5"]`; !strings.Contains(got, want) {
				t.Errorf("the histogram: %s", got)
			}
			if m := b.store.Metadata()["orders_total"]; m != (tier.Metadata{Type: "counter", Help: "Orders.", Unit: "1"}) {
				t.Errorf("the metadata: %+v", m)
			}
		})
	}
}

func TestRemoteWriteStoresWhatIsGoodAndTellsTheRest(t *testing.T) {
	b := setup(t, nil)
	req := second(start)
	req.Timeseries[0].Samples = append(req.Timeseries[0].Samples, writev2.Sample{Timestamp: start.Add(24 * time.Hour).UnixMilli(), Value: 9})
	req.Timeseries[1].Histograms[1].Timestamp = 0
	r := b.send(http.MethodPost, "/api/v1/write", pack(t, req), secondHeader...)
	status, body := read(t, r)
	if status != http.StatusBadRequest || !strings.Contains(body, "2 samples refused: future 1 too_old 1") {
		t.Errorf("%d %s", status, body)
	}
	if s, h := r.Header.Get("X-Prometheus-Remote-Write-Samples-Written"), r.Header.Get("X-Prometheus-Remote-Write-Histograms-Written"); s != "2" || h != "1" {
		t.Errorf("written: %q and %q", s, h)
	}
	if got := b.ask(`orders_total`); !strings.Contains(got, `"2"]`) {
		t.Errorf("what was good is lost: %s", got)
	}
	if drops := b.store.Drops(); len(drops) != 2 || drops[0].Producer != "192.0.2.1" {
		t.Errorf("counted %+v", drops)
	}
}

type refusing struct{ err error }

func (g refusing) Admit() error           { return g.err }
func (g refusing) Report(err error) error { return err }

func TestNoRoomIsToBeTriedAgain(t *testing.T) {
	b := setup(t, func(o *tier.Options) { o.Guard = refusing{errors.New("nothing left")} })
	for _, path := range []string{"/api/v1/write", "/api/v1/metrics"} {
		body, header := pack(t, first(start)), firstHeader
		if path == "/api/v1/metrics" {
			body, header = "up 1\n", nil
		}
		r := b.send(http.MethodPost, path, body, header...)
		status, answer := read(t, r)
		if status != http.StatusServiceUnavailable || r.Header.Get("Retry-After") == "" || !strings.Contains(answer, "nothing left") {
			t.Errorf("%s: %d %v %s", path, status, r.Header, answer)
		}
	}
}

func TestRemoteWriteRefuses(t *testing.T) {
	marshal := func(m message) []byte {
		b, err := m.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	packed := func(b []byte) string { return string(snappy.Encode(nil, b)) }
	whole := marshal(first(start))
	many := &prompb.WriteRequest{}
	for range 11 {
		many.Timeseries = append(many.Timeseries, prompb.TimeSeries{Samples: make([]prompb.Sample, 10_000)})
	}
	long := second(start)
	long.Symbols = append(long.Symbols, strings.Repeat("x", 100_000))
	for range 10 {
		long.Timeseries[0].LabelsRefs = append(long.Timeseries[0].LabelsRefs, uint32(len(long.Symbols)-1), uint32(len(long.Symbols)-1))
	}
	odd, beyond, noEmpty := second(start), second(start), second(start)
	odd.Timeseries[0].LabelsRefs = odd.Timeseries[0].LabelsRefs[:3]
	beyond.Timeseries[1].LabelsRefs[0] = 99
	noEmpty.Symbols[0] = "x"
	for name, test := range map[string]struct {
		body   string
		header []string
		status int
		want   string
	}{
		"no snappy":               {"hello", firstHeader, 400, "no snappy block"},
		"nothing":                 {"", firstHeader, 400, "no snappy block"},
		"a bomb":                  {"\xff\xff\xff\xff\x0f", firstHeader, 413, "too large"},
		"a body that is too long": {strings.Repeat("x", bodyMax+1), firstHeader, 413, "more than 8388608 bytes"},
		"cut":                     {packed(whole[:len(whole)-3]), firstHeader, 400, "byte "},
		"broken in a series":      {packed([]byte{10, 3, 10, 200, 1}), firstHeader, 400, "byte 0 of the unpacked body"},
		"too many samples":        {packed(marshal(many)), firstHeader, 413, "more than 100000 samples"},
		"odd references":          {packed(marshal(odd)), secondHeader, 400, "invalid labelRefs length 3"},
		"a symbol that is not":    {packed(marshal(beyond)), secondHeader, 400, "outside of symbols table"},
		"the first is not empty":  {packed(marshal(noEmpty)), secondHeader, 400, "first symbol"},
		"labels that multiply":    {packed(marshal(long)), secondHeader, 413, "its labels are"},
		"other encoding":          {packed(whole), []string{"Content-Encoding", "gzip"}, 415, "only snappy"},
		"other type":              {packed(whole), []string{"Content-Type", "text/plain"}, 415, "only application/x-protobuf"},
		"other message":           {packed(whole), []string{"Content-Type", "application/x-protobuf;proto=x"}, 415, "neither"},
	} {
		t.Run(name, func(t *testing.T) {
			b := setup(t, nil)
			status, body := b.post("/api/v1/write", test.body, test.header...)
			if status != test.status || !strings.Contains(body, test.want) {
				t.Errorf("%d %s", status, body)
			}
			if n := b.store.Status()[0].Series; n != 0 {
				t.Errorf("%d series were stored all the same", n)
			}
		})
	}
}

func TestText(t *testing.T) {
	b := setup(t, nil)
	body := `# HELP orders_total Orders, by kind.
# TYPE orders_total counter
orders_total{kind="book"} 3
orders_total{kind="food",job="other"} 4 1772445590000
# TYPE temperature gauge
temperature -1.5e1
latency_bucket{le="+Inf"} 7`
	status, answer := b.post("/api/v1/metrics?job=shop&instance=a", body)
	if status != http.StatusOK || answer != `{"status":"success","data":{"samples":4}}` {
		t.Fatalf("%d %s", status, answer)
	}
	for query, want := range map[string]string{
		`orders_total{kind="book",job="shop",instance="a"}`: `[1772445600,"3"]`,
		`timestamp(orders_total{job="other"})`:              `"1772445590"]`,
		`temperature`:                                       `"-15"]`,
		`latency_bucket{le="+Inf"}`:                         `"7"]`,
	} {
		if got := b.ask(query); !strings.Contains(got, want) {
			t.Errorf("%s: %s", query, got)
		}
	}
	if m := b.store.Metadata()["orders_total"]; m.Type != "counter" || m.Help != "Orders, by kind." {
		t.Errorf("the metadata: %+v", m)
	}
}

func TestOpenMetrics(t *testing.T) {
	b := setup(t, nil)
	body := "# TYPE orders counter\n# UNIT orders \norders_total 5\n# EOF\n"
	status, answer := b.post("/api/v1/metrics", body, "Content-Type", "application/openmetrics-text; version=1.0.0; charset=utf-8")
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, answer)
	}
	if got := b.ask(`orders_total`); !strings.Contains(got, `"5"]`) {
		t.Error(got)
	}
	status, answer = b.post("/api/v1/metrics", "orders_total 5\n", "Content-Type", "application/openmetrics-text")
	if status != http.StatusBadRequest {
		t.Errorf("without an end: %d %s", status, answer)
	}
}

func TestTextRefuses(t *testing.T) {
	var large strings.Builder
	for i := range samplesMax + 1 {
		fmt.Fprintf(&large, "a{i=\"%d\"} 1\n", i)
	}
	for name, test := range map[string]struct {
		body, content string
		status        int
		want          string
	}{
		"a line":          {"up 1\nup{ 2\nup 3\n", "", 400, "line 2: "},
		"no number":       {"up 1\n\n# ok\nup{a=\"b\"} many\n", "text/plain; version=0.0.4", 400, "line 4: "},
		"no text":         {"\x00\xff", "", 400, "line 1: "},
		"other type":      {"{}", "application/json", 415, "only text/plain"},
		"bad type":        {"up 1", ";;", 415, "only text/plain"},
		"too many":        {large.String(), "", 413, "more than 100000 samples"},
		"too long":        {"#" + strings.Repeat("x", bodyMax) + "\n", "", 413, "too large"},
		"from the future": {"up 1 1772745600000\n", "", 400, "future 1"},
		"twice":           {"up 1\nup 2\n", "", 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := setup(t, nil)
			var header []string
			if test.content != "" {
				header = []string{"Content-Type", test.content}
			}
			status, body := b.post("/api/v1/metrics", test.body, header...)
			if status != test.status || !strings.Contains(body, test.want) {
				t.Errorf("%d %s", status, body)
			}
			if got := b.ask(`up`); test.status != http.StatusOK && !strings.Contains(got, `"result":[]`) {
				t.Errorf("half of it was stored: %s", got)
			}
		})
	}
	b := setup(t, nil)
	if status, body := b.post("/api/v1/metrics", "up 1", "Content-Encoding", "gzip"); status != 415 {
		t.Errorf("compressed: %d %s", status, body)
	}
}
