package remote

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"

	"github.com/gabion-io/gabion/server/metrics/tier"
)

// described are the metrics that each request describes, by type and name.
func (w *wire) described(t *testing.T) (all []map[string]string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, packed := range w.bodies {
		body, err := snappy.Decode(nil, packed)
		var request prompb.WriteRequest
		if err == nil {
			err = request.Unmarshal(body)
		}
		if err != nil {
			t.Fatal(err)
		}
		of := map[string]string{}
		for _, m := range request.Metadata {
			of[m.MetricFamilyName] = m.Type.String() + " " + m.Help + " " + m.Unit
		}
		if len(request.Timeseries) == 0 {
			t.Error("a request without samples")
		}
		all = append(all, of)
	}
	return all
}

func TestWhatMetricsMeanIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &wire{}
		known := map[string]tier.Metadata{"orders": {Type: "counter", Help: "Orders taken.", Unit: "orders"}, "odd": {Type: "thing"}}
		w := open(t, Config{Transport: to, Describe: func() map[string]tier.Metadata { return known }})
		put := func() {
			w.Take([]tier.Sample{sample(1, 1, "__name__", "orders")})
			pass(10 * time.Second)
		}
		put()
		put()
		for i := range describeMax + 1 {
			known[fmt.Sprint("m", i)] = tier.Metadata{Type: "gauge"}
		}
		for range 7 {
			put()
		}
		end(t, w)
		all := to.described(t)
		if got := fmt.Sprint(all[0]); got != "map[odd:UNKNOWN   orders:COUNTER Orders taken. orders]" {
			t.Error(got)
		}
		sent := 0
		for i, of := range all[1:] {
			if len(of) > describeMax || len(of) > 0 && i < 4 {
				t.Errorf("request %d describes %d", i+1, len(of))
			}
			sent += len(of)
		}
		if sent != describeMax+3 {
			t.Errorf("%d are described again", sent)
		}
	})
}

func TestWhatMetricsMeanIsNotSentByDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &wire{}
		w := open(t, Config{Transport: to})
		w.Take([]tier.Sample{sample(1, 1, "__name__", "orders")})
		end(t, w)
		if all := to.described(t); len(all) != 1 || len(all[0]) != 0 {
			t.Error(all)
		}
	})
}
