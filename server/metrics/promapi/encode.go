package promapi

import (
	"bufio"
	"encoding/json"
	"math"
	"strconv"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"

	"github.com/gabion-io/gabion/server/metrics/tier"
)

// result writes what a query found. It is written as it goes: as JSON it can be ten times as large as in memory.
type result struct{ *tier.Answer }

func (r *result) done() { r.Close() }

func (r *result) write(w *bufio.Writer) {
	put(w, `{"resultType":"`+string(r.Value.Type())+`","result":`)
	e := encoder{w: w}
	switch v := r.Value.(type) {
	case promql.Vector:
		e.vector(v)
	case promql.Matrix:
		e.matrix(v)
	case promql.Scalar:
		e.point(v.T, v.V)
	case promql.String:
		e.open(v.T)
		e.text(v.V)
		e.raw("]")
	}
	e.flush()
	put(w, "}")
}

// encoder appends to a piece of memory and empties it into w when it is large.
type encoder struct {
	w *bufio.Writer
	b []byte
}

func (e *encoder) flush() {
	_, _ = e.w.Write(e.b) // the writer remembers its first error
	e.b = e.b[:0]
}

func (e *encoder) raw(s string) {
	if len(e.b) > 4096 {
		e.flush()
	}
	e.b = append(e.b, s...)
}

// text writes a string.
func (e *encoder) text(s string) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c > '~' || c == '<' || c == '>' || c == '&' {
			if quoted, err := json.Marshal(s); err == nil {
				e.b = append(e.b, quoted...)
			}
			return
		}
	}
	e.b = append(e.b, '"')
	e.b = append(e.b, s...)
	e.b = append(e.b, '"')
}

func (e *encoder) metric(l labels.Labels) {
	e.raw(`{"metric":{`)
	first := true
	l.Range(func(l labels.Label) {
		if !first {
			e.b = append(e.b, ',')
		}
		first = false
		e.text(l.Name)
		e.b = append(e.b, ':')
		e.text(l.Value)
	})
	e.raw("}")
}

// open begins a pair of a time and a value: seconds, with as many milliseconds as there are.
func (e *encoder) open(ms int64) {
	e.raw("[")
	if ms < 0 {
		e.b = append(e.b, '-')
		ms = -ms
	}
	e.b = strconv.AppendInt(e.b, ms/1000, 10)
	if f := ms % 1000; f != 0 {
		e.b = append(e.b, '.', byte('0'+f/100), byte('0'+f/10%10), byte('0'+f%10))
	}
	e.b = append(e.b, ',')
}

// number writes a value as a string, because JSON has no infinities.
func (e *encoder) number(f float64) {
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	e.b = append(e.b, '"')
	e.b = strconv.AppendFloat(e.b, f, format, -1, 64)
	e.b = append(e.b, '"')
}

func (e *encoder) point(ms int64, v float64) {
	e.open(ms)
	e.number(v)
	e.raw("]")
}

func (e *encoder) vector(v promql.Vector) {
	e.raw("[")
	for i, s := range v {
		if i > 0 {
			e.raw(",")
		}
		e.metric(s.Metric)
		if s.H != nil {
			e.raw(`,"histogram":`)
			e.histogram(s.T, s.H)
		} else {
			e.raw(`,"value":`)
			e.point(s.T, s.F)
		}
		e.raw("}")
	}
	e.raw("]")
}

func (e *encoder) matrix(m promql.Matrix) {
	e.raw("[")
	for i, s := range m {
		if i > 0 {
			e.raw(",")
		}
		e.metric(s.Metric)
		if len(s.Floats) > 0 {
			e.raw(`,"values":[`)
			for j, p := range s.Floats {
				if j > 0 {
					e.raw(",")
				}
				e.point(p.T, p.F)
			}
			e.raw("]")
		}
		if len(s.Histograms) > 0 {
			e.raw(`,"histograms":[`)
			for j, p := range s.Histograms {
				if j > 0 {
					e.raw(",")
				}
				e.histogram(p.T, p.H)
			}
			e.raw("]")
		}
		e.raw("}")
	}
	e.raw("]")
}

// histogram writes the buckets that have something in them. The first number of each says which of its bounds belong to
// it: 0 the upper one, 1 the lower one, 2 none, 3 both.
func (e *encoder) histogram(ms int64, h *histogram.FloatHistogram) {
	e.open(ms)
	e.raw(`{"count":`)
	e.number(h.Count)
	e.raw(`,"sum":`)
	e.number(h.Sum)
	opened := false
	for it := h.AllBucketIterator(); it.Next(); {
		b := it.At()
		if b.Count == 0 {
			continue
		}
		if opened {
			e.raw(",[")
		} else {
			e.raw(`,"buckets":[[`)
		}
		opened = true
		switch {
		case b.LowerInclusive && b.UpperInclusive:
			e.raw("3,")
		case b.LowerInclusive:
			e.raw("1,")
		case b.UpperInclusive:
			e.raw("0,")
		default:
			e.raw("2,")
		}
		e.number(b.Lower)
		e.raw(",")
		e.number(b.Upper)
		e.raw(",")
		e.number(b.Count)
		e.raw("]")
	}
	if opened {
		e.raw("]")
	}
	e.raw("}]")
}
