package promapi

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/gabion-io/gabion/server/metrics/tier"
)

// pointsMax is how many points each series of a range query may have: more than a screen has, and Prometheus' own bound.
const pointsMax = 11_000

// asked reads what queries have in common.
func (a *API) asked(r *http.Request) (expr parser.Expr, ask tier.Asking, limit int, f *failure) {
	if f = parseForm(r); f != nil {
		return nil, ask, 0, f
	}
	text := r.Form.Get("query")
	switch {
	case text == "":
		return nil, ask, 0, bad(errors.New(`parameter "query": there is no expression`))
	case len(text) > exprMax:
		return nil, ask, 0, bad(fmt.Errorf(`parameter "query": an expression may have %d bytes`, exprMax))
	}
	expr, err := a.parser.ParseExpr(text)
	if err != nil {
		return nil, ask, 0, bad(fmt.Errorf(`parameter "query": %w`, err))
	}
	if ask.Timeout, f = durationParam(r, "timeout"); f != nil {
		return nil, ask, 0, f
	}
	if ask.LookBack, f = durationParam(r, "lookback_delta"); f != nil {
		return nil, ask, 0, f
	}
	limit, f = limitParam(r)
	return expr, ask, limit, f
}

func (a *API) query(r *http.Request) (any, *failure) {
	_, ask, limit, f := a.asked(r)
	if f != nil {
		return nil, f
	}
	at, f := timeParam(r, "time", a.config.Now())
	if f != nil {
		return nil, f
	}
	found, err := a.store.Instant(r.Context(), r.Form.Get("query"), at, ask)
	if err != nil {
		return nil, failed(err)
	}
	return cut(found, limit, r.Form.Get("query")), nil
}

func (a *API) queryRange(r *http.Request) (any, *failure) {
	expr, ask, limit, f := a.asked(r)
	if f != nil {
		return nil, f
	}
	if t := expr.Type(); t != parser.ValueTypeVector && t != parser.ValueTypeScalar {
		return nil, bad(fmt.Errorf(`parameter "query": a %s cannot be evaluated over a range, only an instant vector or a scalar`, t))
	}
	now := a.config.Now()
	from, f := timeParam(r, "start", now)
	if f != nil {
		return nil, f
	}
	to, f := timeParam(r, "end", now)
	if f != nil {
		return nil, f
	}
	step, f := durationParam(r, "step")
	if f != nil {
		return nil, f
	}
	switch {
	case r.Form.Get("start") == "" || r.Form.Get("end") == "":
		return nil, bad(errors.New(`the parameters "start" and "end" are needed`))
	case to.Before(from):
		return nil, bad(errors.New(`parameter "end": it lies before the start`))
	case step < 1e6: // a millisecond
		return nil, bad(errors.New(`parameter "step": it must be a millisecond at least`))
	case to.Sub(from)/step > pointsMax:
		return nil, bad(fmt.Errorf(`parameter "step": that would be more than %d points a series: make the step longer or the range shorter`, pointsMax))
	}
	found, err := a.store.Range(r.Context(), r.Form.Get("query"), from, to, step, ask)
	if err != nil {
		return nil, failed(err)
	}
	return cut(found, limit, r.Form.Get("query")), nil
}

// cut leaves out what is beyond the limit, and says so.
func cut(found *tier.Answer, limit int, expr string) warned {
	out := annotate(&result{found}, found.Warnings, expr)
	if limit <= 0 {
		return out
	}
	whole := 0
	switch v := found.Value.(type) {
	case promql.Vector:
		whole, found.Value = len(v), v[:min(limit, len(v))]
	case promql.Matrix:
		whole, found.Value = len(v), v[:min(limit, len(v))]
	}
	if whole > limit {
		out.warnings = append(out.warnings, fmt.Sprintf("there are %d series; the limit is %d", whole, limit))
	}
	return out
}

func (a *API) format(r *http.Request) (any, *failure) {
	expr, _, _, f := a.asked(r)
	if f != nil {
		return nil, f
	}
	return expr.Pretty(0), nil
}

func (a *API) exemplars(r *http.Request) (any, *failure) {
	if _, _, _, f := a.asked(r); f != nil {
		return nil, f
	}
	return []string{}, nil
}
