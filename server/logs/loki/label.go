package loki

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gabion-io/gabion/server/logs/entry"
	"github.com/gabion-io/gabion/server/logs/logql"
)

// Labels knows what labels the lines have, without looking at all of them. Answers may be approximate. Of a query only the times, matchers and
// levels count.
type Labels interface {
	// Names are those of labels that lines have, sorted.
	Names(ctx context.Context, q logql.Query) ([]string, error)
	// Values are those of one label, sorted.
	Values(ctx context.Context, q logql.Query, name string) ([]string, error)
	// Series are the different labels of streams: service, instance, handler and level.
	Series(ctx context.Context, q logql.Query) ([]logql.Labels, error)
	// Stats tells how much there is.
	Stats(ctx context.Context, q logql.Query) (Stats, error)
}

// Stats is how much there is.
type Stats struct {
	Streams int64 `json:"streams"`
	Chunks  int64 `json:"chunks"`
	Entries int64 `json:"entries"`
	Bytes   int64 `json:"bytes"`
}

// The bounds of what is told of labels.
const (
	maxValues = 10_000
	maxScan   = 100_000 // lines
)

// Scan is [Labels] that looks at lines, the newest first.
type Scan struct {
	Source logql.Source
	// Lines is how many it looks at. Default 100,000.
	Lines int
}

func (s Scan) each(ctx context.Context, q logql.Query, fields logql.Fields, give func(e *entry.Entry)) error {
	q.Fields, q.Forward = fields, false
	most := s.Lines
	if most == 0 {
		most = maxScan
	}
	n := 0
	for e, err := range s.Source.Select(ctx, q) {
		if err != nil {
			return err
		}
		if n++; n > most {
			return nil
		}
		if q.Match(e) {
			give(e)
		}
	}
	return ctx.Err()
}

// need is what must be read to compare with the matchers.
func need(q logql.Query, names ...string) logql.Fields {
	var f logql.Fields
	for _, m := range q.Matchers {
		names = append(names, m.Name)
	}
	for _, name := range names {
		switch name {
		case "service", "instance", "handler", "level":
		case "trace_id", "span_id":
			f |= logql.IDs
		default:
			f |= logql.Attrs
		}
	}
	return f
}

// Names are those of the stream, and those of attributes.
func (s Scan) Names(ctx context.Context, q logql.Query) ([]string, error) {
	found := map[string]bool{}
	err := s.each(ctx, q, logql.Attrs|logql.IDs, func(e *entry.Entry) {
		for _, l := range streamOf(e) {
			found[l.Name] = true
		}
		if e.Trace != "" {
			found["trace_id"] = true
		}
		for i := range e.Attrs {
			if len(found) < maxValues {
				found[logql.LabelName(e.Attrs[i].Name)] = true
			}
		}
	})
	return slices.Sorted(maps.Keys(found)), err
}

// Values are those of one label.
func (s Scan) Values(ctx context.Context, q logql.Query, name string) ([]string, error) {
	found := map[string]bool{}
	err := s.each(ctx, q, need(q, name), func(e *entry.Entry) {
		if v := logql.Lookup(e, name); v != "" && len(found) < maxValues {
			found[strings.Clone(v)] = true
		}
	})
	return slices.Sorted(maps.Keys(found)), err
}

// Series are the labels of streams.
func (s Scan) Series(ctx context.Context, q logql.Query) ([]logql.Labels, error) {
	found := map[string]logql.Labels{}
	err := s.each(ctx, q, need(q), func(e *entry.Entry) {
		l := streamOf(e)
		if key := l.String(); found[key] == nil && len(found) < maxValues {
			found[key] = l
		}
	})
	var list []logql.Labels
	for _, key := range slices.Sorted(maps.Keys(found)) {
		list = append(list, found[key])
	}
	return list, err
}

// Stats counts.
func (s Scan) Stats(ctx context.Context, q logql.Query) (Stats, error) {
	var out Stats
	streams := map[string]bool{}
	err := s.each(ctx, q, need(q)|logql.Message, func(e *entry.Entry) {
		out.Entries++
		out.Bytes += int64(len(e.Message))
		if len(streams) < maxValues {
			streams[streamOf(e).String()] = true
		}
	})
	out.Streams = int64(len(streams))
	out.Chunks = out.Streams
	return out, err
}

// streamOf are the labels that tell the stream of a line.
func streamOf(e *entry.Entry) logql.Labels {
	var list logql.Labels
	for _, name := range []string{"handler", "instance", "level", "service"} {
		if v := logql.Lookup(e, name); v != "" {
			list = append(list, logql.Label{Name: name, Value: strings.Clone(v)})
		}
	}
	return list
}

// selection reads the time, and a selector of the parameter, which may be missing.
func (r *request) selection(selector string) (logql.Query, error) {
	from, to, err := r.span(6 * time.Hour)
	if err != nil {
		return logql.Query{}, err
	}
	q := logql.Query{From: from, To: to, Levels: logql.AllLevels}
	if selector != "" {
		e, err := logql.ParseLog(selector)
		if err != nil {
			return q, err
		}
		q.Matchers = e.Matchers
	}
	return q, nil
}

func (h *Handler) labels(ctx context.Context, r *request) (any, error) {
	q, err := r.selection(r.FormValue("query"))
	if err != nil {
		return nil, err
	}
	names, err := h.config.Labels.Names(ctx, q)
	return success(emptyList(names)), err
}

func (h *Handler) values(ctx context.Context, r *request) (any, error) {
	q, err := r.selection(r.FormValue("query"))
	if err != nil {
		return nil, err
	}
	values, err := h.config.Labels.Values(ctx, q, r.PathValue("name"))
	return success(emptyList(values)), err
}

// emptyList is written as [], not as null.
func emptyList[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// maxSelectors is how many selectors a request for series may have.
const maxSelectors = 20

func (h *Handler) series(ctx context.Context, r *request) (any, error) {
	selectors := slices.Concat(r.Form["match[]"], r.Form["match"])
	switch {
	case len(selectors) == 0:
		selectors = []string{""}
	case len(selectors) > maxSelectors:
		return nil, &parameterError{"match[]", selectors[maxSelectors], "one of at most 20"}
	}
	seen := map[string]bool{}
	list := []labels{}
	for _, selector := range selectors {
		q, err := r.selection(selector)
		if err != nil {
			return nil, err
		}
		found, err := h.config.Labels.Series(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, l := range found {
			if key := l.String(); !seen[key] {
				seen[key] = true
				list = append(list, labels(l))
			}
		}
	}
	return success(list), nil
}

func (h *Handler) stats(ctx context.Context, r *request) (any, error) {
	q, err := r.selection(r.FormValue("query"))
	if err != nil {
		return nil, err
	}
	return h.config.Labels.Stats(ctx, q)
}

// detectedLabel is a label and how many values it has.
type detectedLabel struct {
	Label       string `json:"label"`
	Cardinality int    `json:"cardinality"`
}

func (h *Handler) detectedLabels(ctx context.Context, r *request) (any, error) {
	q, err := r.selection(r.FormValue("query"))
	if err != nil {
		return nil, err
	}
	list := []detectedLabel{}
	for _, name := range []string{"handler", "instance", "level", "service"} {
		values, err := h.config.Labels.Values(ctx, q, name)
		if err != nil {
			return nil, err
		}
		if len(values) > 0 {
			list = append(list, detectedLabel{name, len(values)})
		}
	}
	return map[string]any{"detectedLabels": list}, nil
}
