package loki

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gabion-io/gabion/server/logs/logql"
)

// request is one whose form was read.
type request struct {
	*http.Request
	now time.Time
}

// parameterError says which parameter is wrong.
type parameterError struct{ name, value, expected string }

func (e *parameterError) Error() string {
	return fmt.Sprintf("parameter %s: %q is not %s", e.name, e.value, e.expected)
}

// parseTime reads RFC 3339, or a number: with a point or of at most ten digits it is in seconds since 1970, else in nanoseconds.
func parseTime(s string) (int64, bool) {
	if strings.ContainsAny(s, ".e") && !strings.Contains(s, ":") {
		seconds, err := strconv.ParseFloat(s, 64)
		if err != nil || math.IsNaN(seconds) || math.Abs(seconds) > math.MaxInt64/2e9 {
			return 0, false
		}
		whole, fraction := math.Modf(seconds)
		return int64(whole)*1e9 + int64(math.Round(fraction*1e3))*1e6, true
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		if len(strings.TrimPrefix(s, "-")) <= 10 {
			return n * 1e9, true
		}
		return n, true
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.Year() < 1678 || t.Year() > 2261 {
		return 0, false
	}
	return t.UnixNano(), true
}

// time reads a time.
func (r *request) time(name string, other int64) (int64, error) {
	s := r.FormValue(name)
	if s == "" {
		return other, nil
	}
	t, ok := parseTime(s)
	if !ok {
		return 0, &parameterError{name, s, "a time: RFC 3339, or seconds or nanoseconds since 1970"}
	}
	return t, nil
}

// duration reads a duration: 5m, or a number of seconds. It is never negative.
func (r *request) duration(name string) (time.Duration, error) {
	s := r.FormValue(name)
	if s == "" {
		return 0, nil
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil && f >= 0 && f < math.MaxInt64/1e9 {
		return time.Duration(f * 1e9), nil
	}
	d, err := logql.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, &parameterError{name, s, "a duration, such as 5m or a number of seconds"}
	}
	return d, nil
}

func (r *request) number(name string, other int) (int, error) {
	s := r.FormValue(name)
	if s == "" {
		return other, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return 0, &parameterError{name, s, "a whole number from 1"}
	}
	return n, nil
}

// span reads start and end, or since before end.
func (r *request) span(length time.Duration) (from, to int64, err error) {
	if to, err = r.time("end", r.now.UnixNano()); err != nil {
		return 0, 0, err
	}
	since, err := r.duration("since")
	if err != nil {
		return 0, 0, err
	}
	if since > 0 {
		length = since
	}
	// Who asks without an end in the future gets the time before now.
	if from, err = r.time("start", min(to, r.now.UnixNano())-int64(length)); err != nil {
		return 0, 0, err
	}
	if to < from {
		return 0, 0, &parameterError{"end", r.FormValue("end"), "after the start"}
	}
	return from, to, nil
}

// forward reads the direction.
func (r *request) forward() (bool, error) {
	switch s := strings.ToLower(r.FormValue("direction")); s {
	case "", "backward":
		return false, nil
	case "forward":
		return true, nil
	default:
		return false, &parameterError{"direction", s, "forward or backward"}
	}
}

// params reads those of a query over a time.
func (r *request) params() (p logql.Params, err error) {
	if p.From, p.To, err = r.span(time.Hour); err != nil {
		return p, err
	}
	if p.Forward, err = r.forward(); err != nil {
		return p, err
	}
	if p.Limit, err = r.number("limit", 100); err != nil {
		return p, err
	}
	if p.Interval, err = r.duration("interval"); err != nil {
		return p, err
	}
	if p.Step, err = r.duration("step"); err != nil {
		return p, err
	}
	if p.Step == 0 {
		if r.FormValue("step") != "" {
			return p, &parameterError{"step", r.FormValue("step"), "more than 0"}
		}
		p.Step = max(time.Second, (time.Duration(p.To-p.From) / 250).Truncate(time.Second))
	}
	return p, nil
}
