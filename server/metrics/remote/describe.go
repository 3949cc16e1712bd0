package remote

import (
	"maps"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/prompb"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/metrics/tier"
)

const (
	describeEvery = time.Minute // the rhythm of Prometheus
	describeMax   = 500         // metrics that are described in one request
)

// descriptions are what the metrics mean, on their way: some with each request until all were sent, and all again after a
// while, which is soon enough for those of a request that failed. One goroutine uses it.
type descriptions struct {
	ask   func() map[string]tier.Metadata // may be nil
	asked gabion.Instant                  // 0: never
	left  []prompb.MetricMetadata
}

// next are those for a request.
func (d *descriptions) next(now gabion.Instant) []prompb.MetricMetadata {
	if len(d.left) == 0 && d.ask != nil && (d.asked == 0 || now-d.asked >= describeEvery) {
		d.asked = now
		all := d.ask()
		for _, name := range slices.Sorted(maps.Keys(all)) {
			d.left = append(d.left, prompb.MetricMetadata{
				Type: prompb.FromMetadataType(model.MetricType(all[name].Type)), MetricFamilyName: name, Help: all[name].Help, Unit: all[name].Unit,
			})
		}
	}
	n := min(len(d.left), describeMax)
	some := d.left[:n:n]
	if d.left = d.left[n:]; len(d.left) == 0 {
		d.left = nil
	}
	return some
}
