package metrics

import (
	"bytes"
	"errors"
	"time"

	"github.com/prometheus/common/expfmt"
)

const (
	textSize = 256 << 10 // how large a text is before the next one begins, in bytes
	textRows = 64        // series of a family that are written at once: a histogram is two dozen lines
)

// Texts gives all metrics in Prometheus' text format, each sample with its time, in texts that stand for themselves. What
// cannot be gathered is left out, and the error says what that was.
func (m *Metrics) Texts(now time.Time, put func(text []byte)) error {
	families, err := m.registry.Gather()
	at := now.UnixMilli()
	var text bytes.Buffer
	for _, f := range families {
		all := f.Metric
		for _, one := range all {
			one.TimestampMs = &at
		}
		for len(all) > 0 {
			n := min(len(all), textRows)
			f.Metric, all = all[:n], all[n:]
			if _, failed := expfmt.MetricFamilyToText(&text, f); failed != nil {
				err = errors.Join(err, failed)
			}
			if text.Len() >= textSize {
				put(text.Bytes())
				text.Reset()
			}
		}
	}
	if text.Len() > 0 {
		put(text.Bytes())
	}
	return err
}
