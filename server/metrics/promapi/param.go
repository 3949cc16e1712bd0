package promapi

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// exprMax bounds an expression, in bytes: its depth is on the stack when it is read.
const exprMax = 64 << 10

// parseForm reads the parameters of the query and of the body.
func parseForm(r *http.Request) *failure {
	if err := r.ParseForm(); err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return &failure{http.StatusRequestEntityTooLarge, "bad_data", fmt.Sprintf("the body has more than %d bytes", formMax)}
		}
		return bad(fmt.Errorf("the parameters cannot be read: %w", err))
	}
	return nil
}

// timeParam reads seconds since 1970, or a time as in RFC 3339.
func timeParam(r *http.Request, name string, otherwise time.Time) (time.Time, *failure) {
	text := r.Form.Get(name)
	if text == "" {
		return otherwise, nil
	}
	if s, err := strconv.ParseFloat(text, 64); err == nil {
		if math.IsNaN(s) || math.Abs(s) > 1e11 { // the year 5138
			return time.Time{}, bad(fmt.Errorf("parameter %q: %q is out of range", name, text))
		}
		return time.UnixMilli(int64(math.Round(s * 1000))).UTC(), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, nil
	}
	return time.Time{}, bad(fmt.Errorf("parameter %q: %q is neither seconds since 1970 nor a time like 2026-01-31T12:00:00Z", name, text))
}

// durationParam reads seconds, or a duration like 5m.
func durationParam(r *http.Request, name string) (time.Duration, *failure) {
	text := r.Form.Get(name)
	if text == "" {
		return 0, nil
	}
	if s, err := strconv.ParseFloat(text, 64); err == nil {
		if math.IsNaN(s) || math.Abs(s) > 9e9 {
			return 0, bad(fmt.Errorf("parameter %q: %q is out of range", name, text))
		}
		return time.Duration(s * float64(time.Second)), nil
	}
	if d, err := model.ParseDuration(text); err == nil {
		return time.Duration(d), nil
	}
	return 0, bad(fmt.Errorf("parameter %q: %q is neither seconds nor a duration like 5m", name, text))
}

// limitParam reads how many of something are wanted; 0 means all.
func limitParam(r *http.Request) (int, *failure) {
	const name = "limit"
	text := r.Form.Get(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, bad(fmt.Errorf("parameter %q: %q is no count", name, text))
	}
	return n, nil
}

// matchers reads what series must match, one set for each match[].
func (a *API) matchers(r *http.Request) ([][]*labels.Matcher, *failure) {
	given := r.Form["match[]"]
	if len(given) > 100 {
		return nil, bad(errors.New(`there may be at most 100 parameters "match[]"`))
	}
	var sets [][]*labels.Matcher
	for _, text := range given {
		if len(text) > exprMax {
			return nil, bad(fmt.Errorf("a selector may have %d bytes", exprMax))
		}
		set, err := a.parser.ParseMetricSelector(text)
		if err != nil {
			return nil, bad(fmt.Errorf(`parameter "match[]": %w`, err))
		}
		if !selective(set) {
			return nil, bad(fmt.Errorf(`parameter "match[]": %s matches everything: say at least one label that is not empty`, text))
		}
		sets = append(sets, set)
	}
	return sets, nil
}

// selective says whether a set has a matcher that an empty label does not satisfy.
func selective(set []*labels.Matcher) bool {
	for _, m := range set {
		if !m.Matches("") {
			return true
		}
	}
	return false
}
