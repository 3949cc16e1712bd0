package client

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// Answer is what a query of metrics or of logs found.
type Answer struct {
	// Kind says which of the fields below has it.
	Kind Kind
	// Series are those of a vector, with one point each, and of a matrix, in the order of the answer. A scalar is one
	// series without labels.
	Series []Series
	// Lines are those of streams, the oldest first.
	Lines []Line
	// Text is that of a string.
	Text string
	// Remarks are what the query engine has to say about the query, such as that it may be not what was meant.
	Remarks []string
	// Data is the answer as it came.
	Data json.RawMessage
}

// Kind is what an answer is made of, as the APIs of Prometheus and Loki call it.
type Kind string

// The kinds of answers.
const (
	Vector  Kind = "vector"
	Matrix  Kind = "matrix"
	Scalar  Kind = "scalar"
	String  Kind = "string"
	Streams Kind = "streams"
)

// Series is the points of one set of labels.
type Series struct {
	Labels map[string]string
	Points []Point
}

// Point is a value at a time.
type Point struct {
	At time.Time
	// Value is the number; of a histogram the number of observations.
	Value float64
	// Histogram says that it is one, and Sum is that of what was observed.
	Histogram bool
	Sum       float64
}

// envelope is what the answers of both APIs look like.
type envelope struct {
	Data     json.RawMessage `json:"data"`
	Warnings []string        `json:"warnings"`
	Infos    []string        `json:"infos"`
}

// answer takes the envelope away.
func (e *envelope) answer() (a Answer, err error) {
	var data struct {
		ResultType Kind            `json:"resultType"`
		Result     json.RawMessage `json:"result"`
	}
	if err := json.Unmarshal(e.Data, &data); err != nil {
		return a, fmt.Errorf("the answer cannot be read: %w", err)
	}
	a = Answer{Kind: data.ResultType, Remarks: append(e.Warnings, e.Infos...), Data: e.Data}
	switch a.Kind {
	case Vector, Matrix:
		var all []series
		err = json.Unmarshal(data.Result, &all)
		for i := range all {
			one := all[i].series()
			if a.Kind == Vector && len(one.Points) != 1 {
				return a, fmt.Errorf("the answer cannot be read: a series with %d values", len(one.Points))
			}
			a.Series = append(a.Series, one)
		}
	case Scalar:
		var p number
		err = json.Unmarshal(data.Result, &p)
		a.Series = []Series{{Points: []Point{Point(p)}}}
	case String:
		err = pair(data.Result, new(float64), &a.Text)
	case Streams:
		a.Lines, err = linesOf(data.Result, true)
	default:
		err = fmt.Errorf("it is of the kind %q", a.Kind)
	}
	if err != nil {
		return a, fmt.Errorf("the answer cannot be read: %w", err)
	}
	return a, nil
}

// series is how the API writes one, of a vector or of a matrix, of numbers or of histograms, or of both.
type series struct {
	Metric     map[string]string `json:"metric"`
	Value      *number           `json:"value"`
	Values     []number          `json:"values"`
	Histogram  *histogram        `json:"histogram"`
	Histograms []histogram       `json:"histograms"`
}

func (s *series) series() Series {
	to := Series{Labels: s.Metric}
	if s.Value != nil {
		s.Values = append(s.Values, *s.Value)
	}
	if s.Histogram != nil {
		s.Histograms = append(s.Histograms, *s.Histogram)
	}
	for _, p := range s.Values {
		to.Points = append(to.Points, Point(p))
	}
	for _, p := range s.Histograms {
		to.Points = append(to.Points, Point(p))
	}
	slices.SortStableFunc(to.Points, func(a, b Point) int { return a.At.Compare(b.At) })
	return to
}

// number is a point that is written as [seconds, "value"].
type number Point

// UnmarshalJSON reads the pair.
func (p *number) UnmarshalJSON(text []byte) error {
	var seconds float64
	var value string
	if err := pair(text, &seconds, &value); err != nil {
		return err
	}
	v, err := strconv.ParseFloat(value, 64)
	*p = number{At: moment(seconds), Value: v}
	return err
}

// histogram is a point that is written as [seconds, {"count": "…", "sum": "…", …}].
type histogram Point

// UnmarshalJSON reads the pair.
func (p *histogram) UnmarshalJSON(text []byte) error {
	var seconds float64
	var value struct {
		Count float64 `json:"count,string"`
		Sum   string  `json:"sum"` // it may be NaN or Inf
	}
	if err := pair(text, &seconds, &value); err != nil {
		return err
	}
	sum, err := strconv.ParseFloat(value.Sum, 64)
	*p = histogram{At: moment(seconds), Value: value.Count, Histogram: true, Sum: sum}
	return err
}

// pair reads an array of exactly two.
func pair(text []byte, first, second any) error {
	into := []any{first, second}
	if err := json.Unmarshal(text, &into); err != nil {
		return err
	}
	if len(into) != 2 {
		return fmt.Errorf("a point of %d members", len(into))
	}
	return nil
}

// moment is so many seconds after 1970, to the millisecond: that is all the API tells.
func moment(seconds float64) time.Time {
	return time.UnixMilli(int64(math.Round(seconds * 1000))).UTC()
}
