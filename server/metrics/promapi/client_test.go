package promapi

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
)

// The client is the one that promtool is made of: POST first, with parameters in the body.
func TestStockClient(t *testing.T) {
	b := setup(t, nil)
	b.seed()
	server := httptest.NewServer(b)
	defer server.Close()
	c, err := api.NewClient(api.Config{Address: server.URL, Client: server.Client()})
	if err != nil {
		t.Fatal(err)
	}
	client := v1.NewAPI(c)

	value, warnings, infos, err := client.Query(t.Context(), `sum(requests_total)`, b.now)
	if err != nil || len(warnings)+len(infos) > 0 || value.String() != "{} => 3960 @[1772449200]" {
		t.Errorf("query: %v %v %v", value, warnings, err)
	}
	value, _, _, err = client.QueryRange(t.Context(), `up`, v1.Range{Start: start, End: b.now, Step: 10 * time.Minute})
	if m, ok := value.(model.Matrix); err != nil || !ok || len(m) != 1 || len(m[0].Values) != 7 {
		t.Errorf("range: %v %v", value, err)
	}
	value, _, _, err = client.Query(t.Context(), `latency`, b.now)
	if v, ok := value.(model.Vector); err != nil || !ok || len(v) != 1 || v[0].Histogram == nil || v[0].Histogram.Sum != 12.5 {
		t.Errorf("histogram: %v %v", value, err)
	}
	series, _, _, err := client.Series(t.Context(), []string{`up`, `requests_total{code="200"}`}, start, b.now)
	if err != nil || len(series) != 2 {
		t.Errorf("series: %v %v", series, err)
	}
	names, _, _, err := client.LabelNames(t.Context(), nil, start, b.now)
	if err != nil || len(names) != 5 {
		t.Errorf("labels: %v %v", names, err)
	}
	values, _, _, err := client.LabelValues(t.Context(), "code", nil, start, b.now)
	if err != nil || len(values) != 2 {
		t.Errorf("values: %v %v", values, err)
	}
	if meta, err := client.Metadata(t.Context(), "", ""); err != nil || meta["requests_total"][0].Type != v1.MetricTypeCounter {
		t.Errorf("metadata: %v %v", meta, err)
	}
	if info, err := client.Buildinfo(t.Context()); err != nil || info.Version != spoken {
		t.Errorf("build: %+v %v", info, err)
	}
	if info, err := client.Runtimeinfo(t.Context()); err != nil || info.StorageRetention == "" {
		t.Errorf("runtime: %+v %v", info, err)
	}
	if tsdb, err := client.TSDB(t.Context()); err != nil || tsdb.HeadStats.NumSeries != 4 {
		t.Errorf("tsdb: %+v %v", tsdb, err)
	}
	if rules, err := client.Rules(t.Context(), nil); err != nil || len(rules.Groups) != 0 {
		t.Errorf("rules: %+v %v", rules, err)
	}
	if alerts, err := client.Alerts(t.Context()); err != nil || len(alerts.Alerts) != 0 {
		t.Errorf("alerts: %+v %v", alerts, err)
	}
	if _, err := client.QueryExemplars(t.Context(), `up`, start, b.now); err != nil {
		t.Errorf("exemplars: %v", err)
	}
	if flags, err := client.Flags(t.Context()); err != nil || len(flags) != 0 {
		t.Errorf("flags: %v %v", flags, err)
	}
	if text, err := client.FormatQuery(t.Context(), `sum(up)by(job)`); err != nil || text != `"sum by (job) (up)"` { // it leaves the JSON as it is
		t.Errorf("format: %q %v", text, err)
	}
	if _, err := client.Config(t.Context()); err != nil {
		t.Errorf("config: %v", err)
	}
	_, _, _, err = client.Query(t.Context(), `sum(`, b.now)
	if e, ok := err.(*v1.Error); !ok || e.Type != v1.ErrBadData { //nolint:errorlint // it is not wrapped
		t.Errorf("a mistake: %v", err)
	}
}
