package main

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/gabion-io/gabion/server/logs/logql"
)

// moment is a flag that names a time: a time of the clock, or how long ago.
type moment struct {
	text string
	ago  time.Duration
	at   time.Time
	// daily says that at has a time of the day only.
	daily bool
}

// momentUsage says in a flag's help how a moment is written.
const momentUsage = "such as 90m (ago), 2d, 14:30, 2026-01-31T14:30, or seconds since 1970"

var errMoment = errors.New("write it as 90m (ago), 14:30, 2026-01-31T14:30, with a zone as in RFC 3339, or as seconds since 1970")

// momentLayouts are those that are read in the zone of who reads the result.
var momentLayouts = []string{"2006-01-02T15:04:05", "2006-01-02T15:04", time.DateTime, "2006-01-02 15:04", time.DateOnly}

// Set reads a moment.
func (m *moment) Set(text string) error {
	*m = moment{text: text}
	if text == "now" {
		return nil
	}
	if ago, err := logql.ParseDuration(strings.TrimPrefix(text, "-")); err == nil && ago >= 0 {
		m.ago = ago
		return nil
	}
	if s, err := strconv.ParseFloat(text, 64); err == nil && s >= 1e8 && s < 1e11 { // from 1973 on: the number of a year is none
		m.at = time.UnixMilli(int64(s * 1000))
		return nil
	}
	var err error
	if m.at, err = time.Parse(time.RFC3339Nano, text); err == nil {
		return nil
	}
	for _, layout := range []string{time.TimeOnly, "15:04"} {
		if m.at, err = time.Parse(layout, text); err == nil {
			m.daily = true
			return nil
		}
	}
	for _, layout := range momentLayouts {
		if m.at, err = time.ParseInLocation(layout, text, time.Local); err == nil {
			return nil
		}
	}
	*m = moment{}
	return errMoment
}

// in is the moment, seen at the time now. A time of the day is the last one that was.
func (m *moment) in(now time.Time) time.Time {
	switch {
	case m.daily:
		t := onDay(now, m.at)
		if t.After(now) {
			t = onDay(now.AddDate(0, 0, -1), m.at)
		}
		return t
	case !m.at.IsZero():
		return m.at
	}
	return now.Add(-m.ago)
}

// onDay is a time of the day on a day.
func onDay(day, at time.Time) time.Time {
	return time.Date(day.Year(), day.Month(), day.Day(), at.Hour(), at.Minute(), at.Second(), 0, day.Location())
}

// given says whether the flag was.
func (m *moment) given() bool { return m.text != "" }

// String is what was given.
func (m *moment) String() string { return m.text }

// Type is what the help shows.
func (m *moment) Type() string { return "time" }

// span is a flag that names how long something is: a Go duration, or one with days, weeks and years.
type span time.Duration

// Set reads a duration that is longer than nothing.
func (s *span) Set(text string) error {
	d, err := logql.ParseDuration(text)
	if err != nil || d <= 0 {
		return errors.New("write it as 30s, 5m or 1d")
	}
	*s = span(d)
	return nil
}

// String writes it as Go does; nothing when it was not given.
func (s *span) String() string {
	if *s == 0 {
		return ""
	}
	return time.Duration(*s).String()
}

// Type is what the help shows.
func (s *span) Type() string { return "duration" }
