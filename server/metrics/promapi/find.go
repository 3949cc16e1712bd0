package promapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
)

// foundMax is how many series, names or values a look-up returns at most.
const foundMax = 100_000

// lookUp is what the look-ups have in common: a time, what must match, a limit.
type lookUp struct {
	from, to int64
	match    [][]*labels.Matcher
	limit    int
}

func (a *API) lookUp(r *http.Request) (lookUp, *failure) {
	if f := parseForm(r); f != nil {
		return lookUp{}, f
	}
	from, f := timeParam(r, "start", time.UnixMilli(0))
	if f != nil {
		return lookUp{}, f
	}
	to, f := timeParam(r, "end", time.UnixMilli(math.MaxInt64/2))
	if f != nil {
		return lookUp{}, f
	}
	limit, f := limitParam(r)
	if f != nil {
		return lookUp{}, f
	}
	match, f := a.matchers(r)
	if f != nil {
		return lookUp{}, f
	}
	if limit == 0 || limit > foundMax {
		limit = foundMax
	}
	return lookUp{from.UnixMilli(), to.UnixMilli(), match, limit}, nil
}

// with opens a querier for a look-up, bounded in time and in number.
func (a *API) with(ctx context.Context, l lookUp, f func(context.Context, storage.Querier) (any, error)) (any, *failure) {
	ctx, cancel := context.WithTimeout(ctx, a.config.Timeout)
	defer cancel()
	select {
	case a.places <- struct{}{}:
		defer func() { <-a.places }()
	case <-ctx.Done():
		return nil, failed(ctx.Err())
	}
	q, err := a.store.Querier(l.from, l.to)
	if err != nil {
		return nil, failed(err)
	}
	data, err := f(ctx, q)
	if err = cmp.Or(err, q.Close()); err != nil {
		return nil, failed(err)
	}
	return data, nil
}

func (a *API) series(r *http.Request) (any, *failure) {
	l, f := a.lookUp(r)
	if f != nil {
		return nil, f
	}
	if len(l.match) == 0 {
		return nil, bad(errors.New(`parameter "match[]": say which series`))
	}
	return a.with(r.Context(), l, func(ctx context.Context, q storage.Querier) (any, error) {
		hints := &storage.SelectHints{Start: l.from, End: l.to, Func: "series", Limit: l.limit + 1}
		var sets []storage.SeriesSet
		for _, m := range l.match {
			sets = append(sets, q.Select(ctx, true, hints, m...))
		}
		set := storage.NewMergeSeriesSet(sets, 0, storage.ChainedSeriesMerge)
		found := []labels.Labels{}
		for set.Next() {
			if len(found)%128 == 0 && ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if len(found) == l.limit {
				return truncated(found, l.limit, set.Warnings()), set.Err()
			}
			found = append(found, set.At().Labels().Copy()) // it outlives the querier
		}
		return annotate(found, set.Warnings(), ""), set.Err()
	})
}

// truncated is an answer that is not whole.
func truncated(data any, limit int, remarks annotations.Annotations) warned {
	out := annotate(data, remarks, "")
	out.warnings = append(out.warnings, fmt.Sprintf("there is more; the limit is %d", limit))
	return out
}

func (a *API) labels(r *http.Request) (any, *failure) {
	return a.strings(r, func(ctx context.Context, q storage.Querier, h *storage.LabelHints, m []*labels.Matcher) ([]string, annotations.Annotations, error) {
		return q.LabelNames(ctx, h, m...)
	})
}

func (a *API) values(r *http.Request) (any, *failure) {
	name := r.PathValue("name")
	name = model.UnescapeName(name, model.ValueEncodingEscaping)
	if name == "" || !model.UTF8Validation.IsValidLabelName(name) {
		return nil, bad(fmt.Errorf("%q is no name of a label", name))
	}
	return a.strings(r, func(ctx context.Context, q storage.Querier, h *storage.LabelHints, m []*labels.Matcher) ([]string, annotations.Annotations, error) {
		return q.LabelValues(ctx, name, h, m...)
	})
}

type lister func(context.Context, storage.Querier, *storage.LabelHints, []*labels.Matcher) ([]string, annotations.Annotations, error)

// strings is what list finds for any of the match[], sorted, each once.
func (a *API) strings(r *http.Request, list lister) (any, *failure) {
	l, f := a.lookUp(r)
	if f != nil {
		return nil, f
	}
	if len(l.match) == 0 {
		l.match = [][]*labels.Matcher{nil}
	}
	return a.with(r.Context(), l, func(ctx context.Context, q storage.Querier) (any, error) {
		all := map[string]struct{}{}
		var remarks annotations.Annotations
		for _, m := range l.match {
			some, w, err := list(ctx, q, &storage.LabelHints{Limit: l.limit + 1}, m)
			if err != nil {
				return nil, err
			}
			remarks = remarks.Merge(w)
			for _, s := range some {
				all[s] = struct{}{}
			}
		}
		found := make([]string, 0, len(all))
		found = slices.AppendSeq(found, maps.Keys(all))
		slices.Sort(found)
		for i := range found {
			found[i] = strings.Clone(found[i]) // it outlives the querier
		}
		if len(found) > l.limit {
			return truncated(found[:l.limit], l.limit, remarks), nil
		}
		return annotate(found, remarks, ""), nil
	})
}
