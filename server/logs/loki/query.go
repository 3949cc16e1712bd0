package loki

import (
	"context"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/gabion-io/gabion/server/logs/logql"
)

func (h *Handler) query(ctx context.Context, r *request) (any, error) {
	e, err := logql.Parse(r.FormValue("query"))
	if err != nil {
		return nil, err
	}
	if _, ok := e.(*logql.LogExpr); ok {
		return nil, &logql.QueryError{Message: "log queries are answered by query_range only; this one answers metric queries"}
	}
	at, err := r.time("time", r.now.UnixNano())
	if err != nil {
		return nil, err
	}
	return h.run(ctx, r, e, logql.Params{From: at, To: at})
}

func (h *Handler) queryRange(ctx context.Context, r *request) (any, error) {
	e, err := logql.Parse(r.FormValue("query"))
	if err != nil {
		return nil, err
	}
	p, err := r.params()
	if err != nil {
		return nil, err
	}
	return h.run(ctx, r, e, p)
}

func (h *Handler) run(ctx context.Context, r *request, e logql.Expr, p logql.Params) (any, error) {
	start := h.config.Now()
	ctx, gaps := logql.WithGaps(ctx)
	result, err := h.engine.Query(ctx, e, p)
	if err != nil {
		return nil, err
	}
	a := success(show(result, categorized(r), h.config.Now().Sub(start)))
	a.Warnings = gaps.Warnings()
	return a, nil
}

// categorized reports whether the client asks for the labels of lines by where they come from, as Grafana does.
func categorized(r *request) bool {
	for flag := range strings.SplitSeq(r.Header.Get("X-Loki-Response-Encoding-Flags"), ",") {
		if strings.TrimSpace(flag) == categorize {
			return true
		}
	}
	return false
}

const categorize = "categorize-labels"

// data is the answer to a query.
type data struct {
	ResultType string   `json:"resultType"`
	Result     any      `json:"result"`
	Flags      []string `json:"encodingFlags,omitempty"`
	Stats      stats    `json:"stats"`
}

type stats struct {
	Summary summary `json:"summary"`
}

type summary struct {
	BytesPerSecond int64   `json:"bytesProcessedPerSecond"`
	LinesPerSecond int64   `json:"linesProcessedPerSecond"`
	Bytes          int64   `json:"totalBytesProcessed"`
	Lines          int64   `json:"totalLinesProcessed"`
	Seconds        float64 `json:"execTime"`
	Entries        int     `json:"totalEntriesReturned"`
}

// show puts a result into Loki's form.
func show(r *logql.Result, categorized bool, took time.Duration) data {
	d := data{Stats: stats{summary{Bytes: r.Stats.Bytes, Lines: r.Stats.Lines, Seconds: took.Seconds(), Entries: len(r.Lines)}}}
	if took > 0 {
		d.Stats.Summary.BytesPerSecond = int64(float64(r.Stats.Bytes) / took.Seconds())
		d.Stats.Summary.LinesPerSecond = int64(float64(r.Stats.Lines) / took.Seconds())
	}
	switch r.Kind {
	case logql.Lines:
		d.ResultType, d.Result = "streams", streams(r.Lines, categorized)
		if categorized {
			d.Flags = []string{categorize}
		}
	case logql.Scalar:
		d.ResultType, d.Result = "scalar", point(r.Scalar)
	case logql.Vector:
		list := make([]sample, len(r.Series))
		for i, s := range r.Series {
			list[i] = sample{labels(s.Labels), point(s.Points[0])}
		}
		d.ResultType, d.Result = "vector", list
	default:
		list := make([]series, len(r.Series))
		for i, s := range r.Series {
			list[i] = series{labels(s.Labels), make([]point, len(s.Points))}
			for j, p := range s.Points {
				list[i].Values[j] = point(p)
			}
		}
		d.ResultType, d.Result = "matrix", list
	}
	return d
}

type sample struct {
	Metric labels `json:"metric"`
	Value  point  `json:"value"`
}

type series struct {
	Metric labels  `json:"metric"`
	Values []point `json:"values"`
}

// labels are written as an object, in their order.
type labels logql.Labels

// MarshalJSON writes {"name":"value",…}.
func (l labels) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, x := range l {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, x.Name)
		b = append(b, ':')
		b = appendString(b, x.Value)
	}
	return append(b, '}'), nil
}

// appendString appends a JSON string. Bytes that are no UTF-8 become U+FFFD.
func appendString(b []byte, s string) []byte {
	text, err := json.Marshal(s)
	if err != nil {
		return append(b, `""`...) // cannot be: every string can be written
	}
	return append(b, text...)
}

// point is written as [seconds, "value"], as Prometheus does.
type point logql.Point

// MarshalJSON writes the pair.
func (p point) MarshalJSON() ([]byte, error) {
	b := []byte{'['}
	b = strconv.AppendInt(b, p.Time/1e9, 10)
	if ms := p.Time / 1e6 % 1e3; ms != 0 {
		b = strconv.AppendFloat(b[:1], math.Round(float64(p.Time)/1e6)/1e3, 'f', 3, 64)
	}
	b = append(b, `,"`...)
	b = strconv.AppendFloat(b, p.Value, 'f', -1, 64)
	return append(b, `"]`...), nil
}

// stream is lines of the same labels.
type stream struct {
	Stream labels `json:"stream"`
	Values []line `json:"values"`
}

// line is written as ["nanoseconds", "text"], with an object of the other labels when they are asked for.
type line struct {
	*logql.Line
	categorized bool
}

// MarshalJSON writes the pair, or the triple.
func (l line) MarshalJSON() ([]byte, error) {
	b := append([]byte(`["`), strconv.FormatInt(l.Time, 10)...)
	b = append(b, `",`...)
	b = appendString(b, l.Text)
	if l.categorized {
		rest, err := json.Marshal(struct {
			Meta   *labels `json:"structuredMetadata,omitempty"`
			Parsed *labels `json:"parsed,omitempty"`
		}{some(l.Meta), some(l.Parsed)})
		if err != nil {
			return nil, err
		}
		b = append(append(b, ','), rest...)
	}
	return append(b, ']'), nil
}

func some(l logql.Labels) *labels {
	if len(l) == 0 {
		return nil
	}
	return (*labels)(&l)
}

// streams puts lines of the same labels together. The order of lines, and of streams by their first line, is kept.
func streams(lines []logql.Line, categorized bool) []*stream {
	list := []*stream{}
	index := map[string]*stream{}
	for i := range lines {
		l := &lines[i]
		all := l.Stream
		if !categorized {
			all = l.All()
		}
		key := all.String()
		s := index[key]
		if s == nil {
			s = &stream{Stream: labels(all)}
			index[key] = s
			list = append(list, s)
		}
		s.Values = append(s.Values, line{l, categorized})
	}
	return list
}
