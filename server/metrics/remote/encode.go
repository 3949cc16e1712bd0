package remote

import (
	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/metrics/tier"
)

// encoder makes the body of a request. One goroutine uses it. The body is a new one each time, since the transport may
// read it even after the request has failed.
type encoder interface {
	encode(batch [][]tier.Sample) ([]byte, error)
}

// message is what is packed.
type message interface {
	Size() int
	MarshalToSizedBuffer([]byte) (int, error)
}

// pack makes a body; scratch is memory that is used again.
func pack(m message, scratch *[]byte) ([]byte, error) {
	n := m.Size()
	if cap(*scratch) < n {
		*scratch = make([]byte, n+n/4)
	}
	if _, err := m.MarshalToSizedBuffer((*scratch)[:n]); err != nil {
		return nil, err
	}
	return snappy.Encode(nil, (*scratch)[:n]), nil
}

// first makes a prometheus.WriteRequest.
type first struct {
	about   descriptions
	request prompb.WriteRequest
	scratch []byte
}

func (e *first) encode(batch [][]tier.Sample) ([]byte, error) {
	all := e.request.Timeseries[:0]
	for _, chunk := range batch {
		for i := range chunk {
			all = extend(all)
			t := &all[len(all)-1]
			*t = prompb.TimeSeries{Labels: prompb.FromLabels(chunk[i].Labels, t.Labels[:0]), Samples: t.Samples[:0]}
			switch s := &chunk[i]; {
			case s.Histogram != nil:
				t.Histograms = []prompb.Histogram{prompb.FromIntHistogram(s.At, s.Histogram)}
			case s.FloatHistogram != nil:
				t.Histograms = []prompb.Histogram{prompb.FromFloatHistogram(s.At, s.FloatHistogram)}
			default:
				t.Samples = append(t.Samples, prompb.Sample{Value: s.Value, Timestamp: s.At})
			}
		}
	}
	e.request.Timeseries, e.request.Metadata = all, e.about.next(gabion.Now())
	return pack(&e.request, &e.scratch)
}

// second makes an io.prometheus.write.v2.Request.
type second struct {
	symbols writev2.SymbolsTable
	request writev2.Request
	scratch []byte
}

func newSecond() *second { return &second{symbols: writev2.NewSymbolTable()} }

func (e *second) encode(batch [][]tier.Sample) ([]byte, error) {
	all := e.request.Timeseries[:0]
	e.symbols.Reset()
	for _, chunk := range batch {
		for i := range chunk {
			all = extend(all)
			t := &all[len(all)-1]
			*t = writev2.TimeSeries{LabelsRefs: e.symbols.SymbolizeLabels(chunk[i].Labels, t.LabelsRefs[:0]), Samples: t.Samples[:0]}
			switch s := &chunk[i]; {
			case s.Histogram != nil:
				t.Histograms = []writev2.Histogram{writev2.FromIntHistogram(0, s.At, s.Histogram)}
			case s.FloatHistogram != nil:
				t.Histograms = []writev2.Histogram{writev2.FromFloatHistogram(0, s.At, s.FloatHistogram)}
			default:
				t.Samples = append(t.Samples, writev2.Sample{Value: s.Value, Timestamp: s.At})
			}
		}
	}
	e.request.Timeseries, e.request.Symbols = all, e.symbols.Symbols()
	return pack(&e.request, &e.scratch)
}

// extend makes a slice longer by one, and leaves what was there before, so that its memory is used again.
func extend[T any](all []T) []T {
	if len(all) < cap(all) {
		return all[:len(all)+1]
	}
	var none T
	return append(all, none)
}

// extended gives labels to series that do not have them.
type extended struct {
	encoder

	more labels.Labels
}

func (e *extended) encode(batch [][]tier.Sample) ([]byte, error) {
	b := labels.NewBuilder(labels.EmptyLabels())
	wider := make([][]tier.Sample, len(batch))
	for i, chunk := range batch {
		wider[i] = make([]tier.Sample, len(chunk))
		copy(wider[i], chunk) // a batch may be sent again
		for j := range chunk {
			l := chunk[j].Labels
			b.Reset(l)
			e.more.Range(func(m labels.Label) {
				if !l.Has(m.Name) {
					b.Set(m.Name, m.Value)
				}
			})
			wider[i][j].Labels = b.Labels()
		}
	}
	return e.encoder.encode(wider)
}
