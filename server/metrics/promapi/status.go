package promapi

import (
	"encoding/json"
	"maps"
	"math"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"

	"github.com/prometheus/prometheus/tsdb/index"
)

// spoken is the version of Prometheus whose API this is: clients find out by it what they may ask.
const spoken = "3.15.0"

func (a *API) metadata(r *http.Request) (any, *failure) {
	if f := parseForm(r); f != nil {
		return nil, f
	}
	limit, f := limitParam(r)
	if f != nil {
		return nil, f
	}
	type entry struct {
		Type string `json:"type"`
		Help string `json:"help"`
		Unit string `json:"unit"`
	}
	out := map[string][]entry{}
	all := a.store.Metadata()
	one := r.Form.Get("metric")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if one != "" && name != one {
			continue
		}
		if limit > 0 && len(out) == limit {
			break
		}
		m := all[name]
		out[name] = []entry{{m.Type, m.Help, m.Unit}}
	}
	return out, nil
}

func (a *API) rules(*http.Request) (any, *failure) {
	return map[string]any{"groups": present(a.config.Judge.RuleGroups())}, nil
}

func (a *API) alerts(*http.Request) (any, *failure) {
	return map[string]any{"alerts": present(a.config.Judge.Alerts())}, nil
}

// present makes [] of nothing: null is no list to clients.
func present(list []json.RawMessage) []json.RawMessage {
	if list == nil {
		return []json.RawMessage{}
	}
	return list
}

func (a *API) buildInfo(*http.Request) (any, *failure) {
	return map[string]string{
		"version": spoken, "revision": a.config.Revision, "branch": "", "buildUser": "gabion " + a.config.Version, "buildDate": "",
		"goVersion": runtime.Version(),
	}, nil
}

func (a *API) runtimeInfo(*http.Request) (any, *failure) {
	return map[string]any{
		"startTime": a.began.UTC(), "serverTime": a.config.Now().UTC(), "CWD": "", "hostname": "",
		"reloadConfigSuccess": true, "lastConfigTime": a.began.UTC(), "corruptionCount": 0,
		"goroutineCount": runtime.NumGoroutine(), "GOMAXPROCS": runtime.GOMAXPROCS(0), "GOMEMLIMIT": debug.SetMemoryLimit(-1),
		"GOGC": "", "GODEBUG": "", "storageRetention": a.config.Retention,
	}, nil
}

// configuration is empty: Gabion's own file has other words, and secrets are not shown.
func (a *API) configuration(*http.Request) (any, *failure) {
	return map[string]string{"yaml": ""}, nil
}

func (a *API) flags(*http.Request) (any, *failure) { return map[string]string{}, nil }

// stat is a name and how much of something it has.
type stat struct {
	Name  string `json:"name"`
	Value uint64 `json:"value"`
}

func stats(list []index.Stat) []stat {
	out := make([]stat, 0, len(list))
	for _, s := range list {
		out = append(out, stat{s.Name, s.Count})
	}
	return out
}

func (a *API) cardinality(r *http.Request) (any, *failure) {
	if f := parseForm(r); f != nil {
		return nil, f
	}
	limit, f := limitParam(r)
	if f != nil {
		return nil, f
	}
	if limit == 0 || limit > 1000 {
		limit = 10
	}
	s := a.store.Cardinality(limit)
	from, to := s.MinTime, s.MaxTime
	if from == math.MaxInt64 {
		from, to = 0, 0 // there is nothing yet
	}
	p := s.IndexPostingStats
	return map[string]any{
		"headStats": map[string]any{
			"numSeries": s.NumSeries, "numLabelPairs": p.NumLabelPairs, "chunkCount": 0, "minTime": from, "maxTime": to,
		},
		"seriesCountByMetricName":     stats(p.CardinalityMetricsStats),
		"labelValueCountByLabelName":  stats(p.CardinalityLabelStats),
		"memoryInBytesByLabelName":    stats(p.LabelValueStats),
		"seriesCountByLabelValuePair": stats(p.LabelValuePairsStats),
	}, nil
}
