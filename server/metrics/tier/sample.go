package tier

import (
	"fmt"
	"strings"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
)

// Sample is a value of a series at a moment.
type Sample struct {
	// Labels name the series, sorted, __name__ among them. The store may keep them: their memory must not be used again.
	Labels labels.Labels
	// At is the moment, in milliseconds since 1970.
	At int64
	// Value is the value, unless one of the histograms below is there. A staleness marker says that the series ends here; it
	// is ignored when the series has newer samples.
	Value float64
	// Histogram and FloatHistogram are native histograms: at most one of them is set.
	Histogram      *histogram.Histogram
	FloatHistogram *histogram.FloatHistogram
}

// ends says whether it is the marker that the series ends here.
func (s *Sample) ends() bool {
	return value.IsStaleNaN(s.Value) && s.Histogram == nil && s.FloatHistogram == nil
}

// Reason is why a sample was refused.
type Reason uint8

// The reasons.
const (
	// Future: its time lies more than [Options.Ahead] ahead of ours.
	Future Reason = iota
	// TooOld: it is older than what its series, or the whole database, still takes.
	TooOld
	// Duplicate: there is another value of its series for the same moment.
	Duplicate
	// BadLabels: its labels are no valid name of a series, too many, or too long.
	BadLabels
	// BadHistogram: its native histogram contradicts itself.
	BadHistogram
	// ServiceLimit: its series is new, and its service has [Limits.Service] series already.
	ServiceLimit
	// MetricLimit: its series is new, and its metric has [Limits.Metric] series already.
	MetricLimit
	// TotalLimit: its series is new, and there are [Limits.Total] series already.
	TotalLimit
	// Full: there was no room on the disk. The only reason for which it is worth sending the sample again.
	Full

	reasons = int(Full) + 1
)

var reasonNames = [reasons]string{
	"future", "too_old", "duplicate", "bad_labels", "bad_histogram", "service_limit", "metric_limit", "total_limit", "full",
}

// String is the reason as it stands in metrics, such as "too_old".
func (r Reason) String() string {
	if int(r) >= reasons {
		return "unknown"
	}
	return reasonNames[r]
}

// Dropped is what became of the samples of a batch that were refused. Its zero value: none were.
type Dropped struct {
	// Samples is how many there were, ByReason how many for each [Reason], Histograms how many were native histograms.
	Samples    int
	ByReason   [reasons]int
	Histograms int
	// First is the series of the first of them, cut to a readable length, and Why says what was wrong with it.
	First, Why string
}

// String is one line for who sent the batch; "" when nothing was dropped.
func (d Dropped) String() string {
	if d.Samples == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d samples refused:", d.Samples)
	for r, n := range d.ByReason {
		if n > 0 {
			fmt.Fprintf(&b, " %s %d", Reason(r), n)
		}
	}
	fmt.Fprintf(&b, "; the first is %s: %s", d.First, d.Why)
	return b.String()
}

func (d *Dropped) add(r Reason, s *Sample, why string) {
	if d.Samples == 0 {
		d.First, d.Why = clip(s.Labels.String(), 300), why
	}
	if s.Histogram != nil || s.FloatHistogram != nil {
		d.Histograms++
	}
	d.Samples++
	d.ByReason[r]++
}

// clip cuts a text to n bytes, and leaves no half character behind.
func clip(s string, n int) string {
	if len(s) > n {
		s = s[:n] + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
