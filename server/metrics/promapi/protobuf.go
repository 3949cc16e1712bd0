package promapi

import (
	"errors"
	"fmt"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/gabion-io/gabion/server/metrics/tier"
)

// A request is taken apart here and its series are decoded one by one: decoded at once, a small request could claim
// fifty times its size of memory.
const (
	seriesMax  = 256 << 10 // bytes of a series as it is sent
	symbolsMax = 200_000   // of a request
	namesMax   = 64 << 20  // bytes of all labels of a request, written out
	nameMax    = 256 << 10 // of one series
)

// fields calls f for each field of a message that is a string or a message itself. Others are skipped.
func fields(b []byte, f func(number protowire.Number, value []byte) error) error {
	for offset := 0; offset < len(b); {
		number, kind, n := protowire.ConsumeTag(b[offset:])
		if n < 0 {
			return fmt.Errorf("byte %d of the unpacked body: %w", offset, protowire.ParseError(n))
		}
		start := offset + n
		if kind != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(number, kind, b[start:]); n < 0 {
				return fmt.Errorf("byte %d of the unpacked body: %w", start, protowire.ParseError(n))
			}
			offset = start + n
			continue
		}
		value, n := protowire.ConsumeBytes(b[start:])
		if n < 0 {
			return fmt.Errorf("byte %d of the unpacked body: %w", start, protowire.ParseError(n))
		}
		if err := f(number, value); err != nil {
			return fmt.Errorf("byte %d of the unpacked body: %w", offset, err)
		}
		offset = start + n
	}
	return nil
}

// readFirst reads a prometheus.WriteRequest.
func readFirst(body []byte, d *delivery) error {
	var series prompb.TimeSeries
	b := labels.NewScratchBuilder(16)
	return fields(body, func(number protowire.Number, value []byte) error {
		switch number {
		case 1:
			if len(value) > seriesMax {
				return fmt.Errorf("%w: a series has %d bytes, %d are allowed", errLarge, len(value), seriesMax)
			}
			series = prompb.TimeSeries{Labels: series.Labels[:0], Samples: series.Samples[:0]}
			if err := series.Unmarshal(value); err != nil {
				return err
			}
			return addAll(d, series.ToLabels(&b, nil), series.Samples, series.Histograms)
		case 3:
			var m prompb.MetricMetadata
			if err := m.Unmarshal(value); err != nil {
				return err
			}
			d.describe(strings.Clone(m.MetricFamilyName), tier.Metadata{
				Type: strings.ToLower(m.Type.String()), Help: strings.Clone(m.Help), Unit: strings.Clone(m.Unit),
			})
		}
		return nil
	})
}

// point is a sample in either version.
type point[S any] interface {
	*S
	GetValue() float64
	GetTimestamp() int64
}

// native is a native histogram in either version.
type native[H any] interface {
	*H
	GetTimestamp() int64
	IsFloatHistogram() bool
	ToIntHistogram() *histogram.Histogram
	ToFloatHistogram() *histogram.FloatHistogram
}

// addAll adds what a series has.
func addAll[S, H any, P point[S], N native[H]](d *delivery, l labels.Labels, points []S, histograms []H) error {
	for i := range points {
		p := P(&points[i])
		if err := d.add(tier.Sample{Labels: l, At: p.GetTimestamp(), Value: p.GetValue()}); err != nil {
			return err
		}
	}
	for i := range histograms {
		h := N(&histograms[i])
		s := tier.Sample{Labels: l, At: h.GetTimestamp()}
		if h.IsFloatHistogram() {
			s.FloatHistogram = h.ToFloatHistogram()
		} else {
			s.Histogram = h.ToIntHistogram()
		}
		if err := d.add(s); err != nil {
			return err
		}
	}
	return nil
}

// readSecond reads an io.prometheus.write.v2.Request: first the symbols, wherever they stand, then the series.
func readSecond(body []byte, d *delivery) error {
	var symbols []string
	err := fields(body, func(number protowire.Number, value []byte) error {
		if number != 4 {
			return nil
		}
		if len(symbols) == symbolsMax {
			return fmt.Errorf("%w: it has more than %d symbols", errLarge, symbolsMax)
		}
		symbols = append(symbols, string(value))
		return nil
	})
	if err != nil {
		return err
	}
	if len(symbols) == 0 || symbols[0] != "" {
		if len(body) == 0 {
			return nil
		}
		return errors.New("the first symbol must be empty")
	}
	names := 0
	var series writev2.TimeSeries
	b := labels.NewScratchBuilder(16)
	return fields(body, func(number protowire.Number, value []byte) error {
		if number != 5 {
			return nil
		}
		if len(value) > seriesMax {
			return fmt.Errorf("%w: a series has %d bytes, %d are allowed", errLarge, len(value), seriesMax)
		}
		series = writev2.TimeSeries{LabelsRefs: series.LabelsRefs[:0], Samples: series.Samples[:0]}
		if err := series.Unmarshal(value); err != nil {
			return err
		}
		n := size(series.LabelsRefs, symbols)
		if names += n; n > nameMax || names > namesMax {
			return fmt.Errorf("%w: its labels are %d bytes long, those of all series %d so far", errLarge, n, names)
		}
		return secondSeries(&series, symbols, &b, d)
	})
}

// size is how long the labels are when they are written out: one long symbol can be named many times.
func size(refs []uint32, symbols []string) int {
	n := 0
	for _, ref := range refs {
		if int(ref) < len(symbols) {
			n += len(symbols[ref]) + 4
		}
	}
	return n
}

func secondSeries(series *writev2.TimeSeries, symbols []string, b *labels.ScratchBuilder, d *delivery) error {
	l, err := series.ToLabels(b, symbols)
	if err != nil {
		return err
	}
	m, err := series.ToMetadata(symbols)
	if err != nil {
		return err
	}
	if series.Metadata.Type != writev2.Metadata_METRIC_TYPE_UNSPECIFIED || m.Help != "" {
		d.describe(family(l.Get(model.MetricNameLabel), string(m.Type)), tier.Metadata{Type: string(m.Type), Help: m.Help, Unit: m.Unit})
	}
	return addAll(d, l, series.Samples, series.Histograms)
}

// family is the name without what is added to it in the series of a histogram or a summary.
func family(metric, kind string) string {
	if kind != "histogram" && kind != "summary" {
		return metric
	}
	for _, suffix := range []string{"_bucket", "_count", "_sum"} {
		if f, ok := strings.CutSuffix(metric, suffix); ok {
			return f
		}
	}
	return metric
}
