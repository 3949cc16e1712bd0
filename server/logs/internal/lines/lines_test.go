package lines

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

func TestGenerate(t *testing.T) {
	const n = 20_000
	all := Generate(1, n)
	if !reflect.DeepEqual(all, Generate(1, n)) {
		t.Fatal("the same seed gave other lines")
	}
	if reflect.DeepEqual(all, Generate(2, n)) {
		t.Fatal("another seed gave the same lines")
	}
	services, handlers, instances, traces := map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}
	raw := 0
	for i := range all {
		e := &all[i]
		services[e.Service], handlers[e.Service+e.Handler], instances[e.Instance], traces[e.Trace] = true, true, true, true
		if i > 0 && e.Time < all[i-1].Time {
			t.Fatalf("line %d is older than the one before", i)
		}
		b := AppendJSON(nil, e)
		if !json.Valid(b) {
			t.Fatalf("no JSON: %s", b)
		}
		raw += len(b)
	}
	if len(services) != Services || len(handlers) != Handlers || len(instances) != Instances || len(traces) != n {
		t.Errorf("%d services, %d handlers, %d instances, %d traces", len(services), len(handlers), len(instances), len(traces))
	}
	if first, last := all[0].Time, all[n-1].Time; first < Start || last >= Start+int64(24*time.Hour) {
		t.Errorf("from %d to %d", first, last)
	}
	if mean := float64(raw) / n; mean < 300 || mean > 302 {
		t.Errorf("%.1f bytes a line: %s", mean, AppendJSON(nil, &all[0]))
	}
	if got := Generate(1, 0); len(got) != 0 {
		t.Errorf("%d lines", len(got))
	}
}
