package logql

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Limits bound what a query may cost. A query that reaches one fails with a [*LimitError]. The zero value of a field is its default.
type Limits struct {
	// Range is the longest time a query may span, look-back included. Default 10 years.
	Range time.Duration
	// Scanned is how many lines a query may look at. Default 20 million.
	Scanned int
	// Lines is how many lines a query may give. Default 5,000.
	Lines int
	// Bytes is how many bytes of lines and labels a query may give. Default 64 MiB.
	Bytes int
	// Series is how many series any part of a query may have. Default 2,000.
	Series int
	// Steps is at how many moments a query may be computed. Default 11,000.
	Steps int
	// Points is how many numbers any part of a query may have in memory. Default 5 million.
	Points int
}

func (l Limits) withDefaults() Limits {
	return Limits{
		Range:   cmp.Or(l.Range, 10*366*24*time.Hour),
		Scanned: cmp.Or(l.Scanned, 20_000_000),
		Lines:   cmp.Or(l.Lines, 5_000),
		Bytes:   cmp.Or(l.Bytes, 64<<20),
		Series:  cmp.Or(l.Series, 2_000),
		Steps:   cmp.Or(l.Steps, 11_000),
		Points:  cmp.Or(l.Points, 5_000_000),
	}
}

// LimitError says which limit a query reached, and what to do.
type LimitError struct{ Message string }

func (e *LimitError) Error() string { return e.Message }

func limit(format string, args ...any) error { return &LimitError{fmt.Sprintf(format, args...)} }

// QueryError says why a query that can be read cannot be computed.
type QueryError struct{ Message string }

func (e *QueryError) Error() string { return e.Message }

// Engine answers queries. It can be used from several goroutines at once.
type Engine struct {
	source Source
	limits Limits
}

// New makes an engine over a source.
func New(source Source, limits Limits) *Engine {
	return &Engine{source, limits.withDefaults()}
}

// Limits are those in force.
func (g *Engine) Limits() Limits { return g.limits }

// Params are the times of a query, in nanoseconds since 1970, UTC.
type Params struct {
	// From and To are the time of a log query; From is included, To is not. A metric query is computed at From, From+Step, … up to To, both included.
	From, To int64
	// Step 0 computes a metric query at To alone.
	Step time.Duration
	// Forward gives the oldest lines first, else the newest.
	Forward bool
	// Limit is how many lines to give. Default 100; more than [Limits.Lines] is an error.
	Limit int
	// Interval leaves out lines nearer than this to the one before of the same stream. 0: none.
	Interval time.Duration
}

// Kind is what a result is.
type Kind uint8

// The kinds of results.
const (
	Lines  Kind = iota // of a log query
	Vector             // series with one point each, at one moment
	Matrix             // series with points
	Scalar             // one number, at one moment
)

// Result is the answer to a query.
type Result struct {
	Kind   Kind
	Lines  []Line
	Series []Series
	Scalar Point
	Stats  Stats
}

// Line is a line as the stages left it.
type Line struct {
	Time int64
	Text string
	// Stream, Meta and Parsed are the labels by where they come from.
	Stream, Meta, Parsed Labels
}

// Series is a series of numbers, by time.
type Series struct {
	Labels Labels
	Points []Point
}

// Point is a number at a time, in nanoseconds since 1970.
type Point struct {
	Time  int64
	Value float64
}

// Stats tell what a query cost.
type Stats struct{ Lines, Bytes int64 }

// Query answers an expression. Errors are those of the source and the context, [*LimitError] and [*QueryError].
func (g *Engine) Query(ctx context.Context, e Expr, p Params) (*Result, error) {
	if p.To < p.From {
		return nil, &QueryError{"the end of the time is before its start"}
	}
	if time.Duration(p.To-p.From) > g.limits.Range || p.To-p.From < 0 {
		return nil, limit("the query spans more than %s", g.limits.Range)
	}
	scan := &scan{engine: g, ctx: ctx}
	var result *Result
	var err error
	if log, ok := e.(*LogExpr); ok {
		result, err = g.lines(scan, log, p)
	} else {
		result, err = g.numbers(scan, e, p)
	}
	if err != nil {
		return nil, err
	}
	result.Stats = scan.stats
	return result, nil
}

// scan looks at the lines of a query, and counts them over all of its parts.
type scan struct {
	engine *Engine
	ctx    context.Context
	stats  Stats
}

// each gives every line that passes the stages, until it is told to stop.
func (s *scan) each(q Query, steps []step, give func(r *record) (more bool, err error)) error {
	if q.Levels == 0 || q.From >= q.To {
		return nil
	}
	r := &record{}
	for e, err := range s.engine.source.Select(s.ctx, q) {
		if err != nil {
			return err
		}
		if s.stats.Lines++; s.stats.Lines > int64(s.engine.limits.Scanned) {
			return limit("the query looks at more than %d lines: narrow the time or the selector", s.engine.limits.Scanned)
		}
		s.stats.Bytes += int64(len(e.Message))
		if s.stats.Lines%64 == 0 && s.ctx.Err() != nil {
			return s.ctx.Err()
		}
		if !q.Match(e) {
			continue
		}
		r.reset(e)
		if !apply(steps, r) {
			continue
		}
		if more, err := give(r); err != nil || !more {
			return err
		}
	}
	return s.ctx.Err()
}

func apply(steps []step, r *record) bool {
	for _, f := range steps {
		if !f(r) {
			return false
		}
	}
	return true
}

// compile makes the stages ready. Each query compiles anew: a template belongs to one goroutine.
func (e *LogExpr) compile() ([]step, error) {
	steps := make([]step, len(e.Stages))
	for i, s := range e.Stages {
		var err error
		if steps[i], err = s.compile(); err != nil {
			return nil, &QueryError{err.Error()}
		}
	}
	return steps, nil
}

// lines answers a log query.
func (g *Engine) lines(s *scan, e *LogExpr, p Params) (*Result, error) {
	p.Limit = cmp.Or(p.Limit, 100)
	if p.Limit > g.limits.Lines || p.Limit < 0 {
		return nil, limit("the limit of %d lines is not from 1 to %d", p.Limit, g.limits.Lines)
	}
	steps, err := e.compile()
	if err != nil {
		return nil, err
	}
	q := plan(e, p.From, p.To)
	q.Forward, q.Fields = p.Forward, AllFields
	if len(steps) == 0 && p.Interval == 0 {
		q.Limit = p.Limit
	}
	result := &Result{Kind: Lines}
	size := 0
	spacing := spacing{interval: int64(p.Interval), last: map[string]int64{}}
	err = s.each(q, steps, func(r *record) (bool, error) {
		line := r.line()
		if !spacing.far(&line) {
			return true, nil
		}
		if size += line.size(); size > g.limits.Bytes {
			return false, limit("the lines found have more than %d bytes: lower the limit", g.limits.Bytes)
		}
		result.Lines = append(result.Lines, line)
		return len(result.Lines) < p.Limit, nil
	})
	return result, err
}

// line copies what remains of the record.
func (r *record) line() Line {
	return Line{
		Time: r.time, Text: strings.Clone(r.text),
		Stream: r.labels(ofStream), Meta: r.labels(ofMeta), Parsed: r.labels(ofParser),
	}
}

func (l *Line) size() int {
	n := len(l.Text)
	for _, list := range []Labels{l.Stream, l.Meta, l.Parsed} {
		for _, x := range list {
			n += len(x.Name) + len(x.Value)
		}
	}
	return n
}

// All are the labels of a line from everywhere, sorted.
func (l *Line) All() Labels {
	all := slices.Concat(l.Stream, l.Meta, l.Parsed)
	slices.SortFunc(all, func(a, b Label) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// spacing leaves out lines that are near the one before.
type spacing struct {
	interval int64
	last     map[string]int64 // by stream
}

func (s *spacing) far(l *Line) bool {
	if s.interval == 0 {
		return true
	}
	key := l.Stream.String()
	before, ok := s.last[key]
	if distance := l.Time - before; ok && max(distance, -distance) < s.interval {
		return false
	}
	s.last[key] = l.Time
	return true
}
