package main

import (
	"testing"
	"time"
)

func TestMoment(t *testing.T) {
	day := func(day, hour, minute, second int) time.Time {
		return time.Date(2026, 5, day, hour, minute, second, 0, time.Local)
	}
	now := day(4, 12, 0, 0)
	for text, want := range map[string]time.Time{
		"now": now, "0": now, "90m": day(4, 10, 30, 0), "-90m": day(4, 10, 30, 0), "2d": day(2, 12, 0, 0),
		"11:30": day(4, 11, 30, 0), "11:30:15": day(4, 11, 30, 15), "12:00": now,
		"23:50":            day(3, 23, 50, 0), // the last one that was: it is the night's
		"2026-05-01":       day(1, 0, 0, 0),
		"2026-05-01 08:15": day(1, 8, 15, 0), "2026-05-01T08:15": day(1, 8, 15, 0),
		"2026-05-01 08:15:30": day(1, 8, 15, 30), "2026-05-01T08:15:30": day(1, 8, 15, 30),
		"2026-05-01T08:15:30Z":         time.Date(2026, 5, 1, 8, 15, 30, 0, time.UTC),
		"2026-05-01T08:15:30.25+02:00": time.Date(2026, 5, 1, 6, 15, 30, 25e7, time.UTC),
		"1777896000":                   time.Unix(1777896000, 0),
		"1777896000.5":                 time.UnixMilli(1777896000500),
	} {
		var m moment
		if err := m.Set(text); err != nil || !m.in(now).Equal(want) || !m.given() || m.String() != text {
			t.Errorf("%s is %v, %v, want %v", text, m.in(now), err, want)
		}
	}
	for _, text := range []string{"", "yesterday", "--5m", "25:00", "2026", "1777896000000", "2026-13-01", "5 m", "NaN"} {
		var m moment
		if err := m.Set(text); err == nil || m.given() {
			t.Errorf("%q is taken as %v", text, m.in(now))
		}
	}
	if m := (moment{}); !m.in(now).Equal(now) || m.given() {
		t.Error("what is not given is now")
	}
}

func TestSpan(t *testing.T) {
	for text, want := range map[string]time.Duration{"30s": 30 * time.Second, "1d": 24 * time.Hour, "250ms": 250 * time.Millisecond} {
		var s span
		if err := s.Set(text); err != nil || time.Duration(s) != want || s.String() != want.String() {
			t.Errorf("%s: %v %v", text, s, err)
		}
	}
	for _, text := range []string{"", "0", "-1s", "5", "x"} {
		if err := new(span).Set(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

// Whatever is given as a time, the command line is read to the end.
func FuzzMoment(f *testing.F) {
	for _, text := range []string{"now", "90m", "11:30", "2026-05-01T08:15", "1777896000.5", "-1e9"} {
		f.Add(text)
	}
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		var m moment
		if err := m.Set(text); err != nil {
			if m.given() {
				t.Errorf("%q is refused and taken", text)
			}
		} else if text != "" && m.ago == 0 && !m.daily && m.at.IsZero() && !m.in(now).Equal(now) {
			t.Errorf("%q is %v", text, m.in(now))
		}
	})
}
