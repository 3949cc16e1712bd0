package memory

import (
	"strings"
	"sync"

	"github.com/prometheus/common/model"

	"github.com/gabion-io/gabion/server/metrics/tier"
)

// births finds the counters that are there for the first time. Such a counter was zero when the gateway's metrics were
// taken before, but nothing said so: without that zero, rate and increase know nothing of what it counted until it came,
// which may be the only error of a day. It is safe for
// concurrent use.
type births struct {
	mu          sync.Mutex
	at, before  int64 // when the metrics were taken that come now, and those before; 0: never
	here, known map[uint64]bool
}

// zeros gives the samples that lack before those of a part of the metrics. Parts that were taken at once have one time.
func (b *births) zeros(samples []tier.Sample, about map[string]tier.Metadata) (missing []tier.Sample) {
	if len(samples) == 0 {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if at := samples[0].At; at != b.at {
		b.at, b.before = at, b.at
		b.known, b.here = b.here, map[uint64]bool{}
	}
	for _, s := range samples {
		if s.Histogram != nil || s.FloatHistogram != nil || !counts(s.Labels.Get(model.MetricNameLabel), about) {
			continue
		}
		series := s.Labels.Hash()
		if b.here[series] = true; b.before != 0 && b.before < s.At && !b.known[series] {
			missing = append(missing, tier.Sample{Labels: s.Labels, At: b.before})
		}
	}
	return missing
}

// counts says whether a metric only ever grows: a counter, or a part of a histogram or summary that counts.
func counts(metric string, about map[string]tier.Metadata) bool {
	if a, ok := about[metric]; ok {
		return a.Type == "counter"
	}
	for _, part := range []string{"_bucket", "_count", "_sum"} {
		if family, ok := strings.CutSuffix(metric, part); ok {
			kind := about[family].Type
			return kind == "histogram" || kind == "summary"
		}
	}
	return false
}
