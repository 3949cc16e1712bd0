package syslog

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gabion-io/gabion/server/ingest"
)

var now = time.Date(2026, 1, 1, 0, 5, 0, 0, time.FixedZone("", 3600))

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		// The examples of RFC 5424, 6.5.
		`<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - ` + "\ufeff'su root' failed": "{1065910455003000000 fatal su mymachine.example.com    'su root' failed [{facility auth} {msgid ID47}]}",
		`<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% time`:                    "{1061727255000003000 info myproc 192.0.2.1    %% time [{facility local4} {procid 8710}]}",
		`<165>1 - h e - ID47 [exampleSDID@32473 iut="3" eventSource="A\"p\]\\\n"][x y="1"] An event`:   "{1767222300000000000 info e h    An event [{facility local4} {msgid ID47} {exampleSDID@32473.iut 3} {exampleSDID@32473.eventSource A\"p]\\\\n} {x.y 1}]}",
		`<165>1 - - - - - [empty]`: "{1767222300000000000 info      []}",
		// RFC 3164, 5.4, and what others send. The year of December is the last one.
		`<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick`: "{1760217255000000000 fatal su mymachine    'su root' failed for lonvick [{facility auth}]}",
		"<13>Dec 31 23:59:59 h app[77]: x: y\n":                          "{1767221999000000000 info app h    x: y [{facility user} {procid 77}]}",
		`<13>Jan  1 00:05:00.25 h cron: x`:                               "{1767222300250000000 info cron h    x [{facility user}]}",
		`<13>2026-01-01T00:00:00Z h app: x`:                              "{1767225600000000000 info app h    x [{facility user}]}",
		`<15>app: x`:                                                     "{1767222300000000000 debug app     x [{facility user}]}",
		`<11>what is this: no tag`:                                       "{1767222300000000000 error      what is this: no tag [{facility user}]}",
		`<12>{"a": 1}`:                                                   `{1767222300000000000 warn      {"a": 1} [{facility user}]}`,
		`no priority`:                                                    "{1767222300000000000 info      no priority []}",
		`<13>`:                                                           "{1767222300000000000 info       [{facility user}]}",
	} {
		e, err := Parse(text, now)
		if want == "{1767222300000000000 info      []}" {
			want = "{1767222300000000000 info       [{facility local4}]}"
		}
		if got := fmt.Sprint(e); err != nil || got != want {
			t.Errorf("%s\n got %s, %v\nwant %s", text, got, err, want)
		}
	}
}

func TestMalformed(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "byte 1: want a message",
		"\n":                        "byte 1: want a message",
		"<192>x":                    "byte 1: want a priority",
		"<+1>x":                     "byte 1: want a priority",
		"<>x":                       "byte 1: want a priority",
		"<1234>x":                   "byte 1: want a priority",
		"<13":                       "byte 1: want a priority",
		"<13>1 yesterday h a - - -": "byte 7: want a time of RFC 3339",
		"<13>1 - h":                 "byte 9: want a host",
		"<13>1 - h a - - x":         "byte 17: want structured data",
		"<13>1 - h a - - [":         "byte 18: want a name",
		"<13>1 - h a - - [i":        "byte 18: want a name",
		"<13>1 - h a - - [i n]":     "byte 20: want a name",
		"<13>1 - h a - - [i n=1]":   "byte 22: want a quote",
		`<13>1 - h a - - [i n="1]`:  "byte 22: want a value",
		`<13>1 - h a - - [i n="1"x`: "byte 25: want a space, or ]",
		`<13>1 - h a - - [i]x`:      "byte 20: want a space",
	} {
		if e, err := Parse(text, now); !errors.Is(err, ingest.ErrRefused) || !strings.Contains(err.Error(), want) || e.Time != 0 {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestLeapDay(t *testing.T) {
	e, err := Parse("<13>Feb 29 12:00:00 h a: x", time.Date(2028, 3, 1, 0, 0, 0, 0, time.UTC))
	if at := time.Unix(0, e.Time).UTC(); err != nil || at.Month() != 2 || at.Day() != 29 || at.Year() != 2028 {
		t.Errorf("%v %v", at, err)
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{`<165>1 2003-08-24T05:14:15.000003-07:00 h e - ID47 [x a="3\""][y] An`, "<34>Oct 11 22:14:15.5 m su[1]: x", "<1>:", "x"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := Parse(text, now)
		if (err == nil) == (e.Time == 0 && e.Message == "" && e.Attrs == nil) && e.Time != 0 {
			t.Fatalf("%v with %+v", err, e)
		}
		if err != nil && !errors.Is(err, ingest.ErrRefused) {
			t.Fatal(err)
		}
		if utf8.ValidString(text) && !utf8.ValidString(e.Message+e.Service+e.Instance) {
			t.Fatalf("a character is cut in two: %+v", e)
		}
	})
}
