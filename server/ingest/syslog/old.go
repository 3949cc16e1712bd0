package syslog

import (
	"strings"
	"time"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// old reads what follows the priority of RFC 3164, which describes what programs do and forbids little: a time, perhaps,
// a host, perhaps, and a tag that ends with a colon, perhaps. Nothing is malformed; what is not understood is the text.
func (p *reader) old(e *entry.Entry, now time.Time) {
	rest := strings.TrimLeft(p.rest(), " ")
	dated := false
	if t, after, ok := oldTime(rest, now); ok {
		e.Time, rest, dated = t, after, true
	}
	if host, after, ok := strings.Cut(rest, " "); dated && ok && !strings.ContainsAny(host, ":[") && host != "" {
		e.Instance, rest = host, strings.TrimLeft(after, " ")
	}
	tag, after, ok := strings.Cut(rest, ":")
	name, process, bracket := strings.Cut(strings.TrimSuffix(tag, "]"), "[")
	if ok && isTag(name) && bracket == strings.HasSuffix(tag, "]") {
		e.Service, rest = name, strings.TrimPrefix(after, " ")
		if process != "" {
			e.Attrs = append(e.Attrs, entry.Attr{Name: "procid", Value: process})
		}
	}
	e.Message = rest
}

// isTag says whether a word can be the name of a program.
func isTag(s string) bool {
	if s == "" || len(s) > 48 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '{' || c == '=' {
			return false
		}
	}
	return true
}

// oldTime reads "Nov 21 10:00:00", also with a year after it or a fraction, or a time of RFC 3339, which many send.
func oldTime(s string, now time.Time) (at int64, rest string, ok bool) {
	if word, rest, found := strings.Cut(s, " "); found {
		if t, err := time.Parse(time.RFC3339Nano, word); err == nil && t.Year() >= 1970 && t.Year() <= 2261 {
			return t.UnixNano(), strings.TrimLeft(rest, " "), true
		}
	}
	const layout = "Jan _2 15:04:05"
	if len(s) < len(layout) {
		return 0, s, false
	}
	end := len(layout)
	if rest := s[end:]; strings.HasPrefix(rest, ".") {
		end += 1 + len(rest[1:]) - len(strings.TrimLeft(rest[1:], "0123456789"))
	}
	// A leap year, so that Feb 29 is a day.
	t, err := time.ParseInLocation("2006 "+layout, "2000 "+s[:end], now.Location())
	if err != nil {
		return 0, s, false
	}
	return nearest(t, now).UnixNano(), strings.TrimLeft(strings.TrimPrefix(s[end:], ":"), " "), true
}

// nearest gives a time without a year the year that brings it closest to now: at New Year, lines of December still come.
func nearest(t, now time.Time) time.Time {
	best := time.Time{}
	for year := now.Year() - 1; year <= now.Year()+1; year++ {
		c := time.Date(year, t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), now.Location())
		if best.IsZero() || now.Sub(c).Abs() < now.Sub(best).Abs() {
			best = c
		}
	}
	return best
}
