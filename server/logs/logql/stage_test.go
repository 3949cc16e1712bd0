package logql

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// staged passes one line through the stages, and gives its record.
func staged(t testing.TB, stages, line string) *record {
	t.Helper()
	e, err := ParseLog("{} " + stages)
	if err != nil {
		t.Fatal(err)
	}
	steps, err := e.compile()
	if err != nil {
		t.Fatal(err)
	}
	r := &record{}
	r.reset(&entry.Entry{Message: line, Service: "shop", Time: 1_700_000_000_000_000_000})
	apply(steps, r)
	return r
}

func TestFunctions(t *testing.T) {
	for template, want := range map[string]string{
		`{{trimAll "o" "oxo"}} {{trimPrefix "o" "oxo"}} {{trimSuffix "o" "oxo"}} {{trim " x "}} {{Trim "xax" "x"}}`: "x xo ox x a",
		`{{contains "x" "axb"}} {{hasPrefix "a" "ab"}} {{hasSuffix "a" "ab"}} {{count "a." "abac"}}`:                "true true false 2",
		`{{Replace "aaa" "a" "b" 2}} {{replace "a" "" "banana"}} {{repeat 3 "ab"}}`:                                 "bba bnn ababab",
		`{{trunc 2 "äöü"}} {{trunc -2 "äöü"}} {{trunc 9 "ä"}} {{substr 1 2 "äöü"}} {{substr -3 99 "äöü"}}`:          "äö öü ä ö äöü",
		`[{{alignLeft 4 "ab"}}] [{{alignRight 4 "ab"}}] [{{alignLeft 1 "ab"}}] [{{alignRight 1 "ab"}}]`:             "[ab  ] [  ab] [a] [b]",
		`{{default "none" .missing}} {{default "none" .service}} {{.service_name}}`:                                 "none shop shop",
		`{{b64enc "x?"}} {{b64dec "eD8="}} {{urlencode "a b"}} {{urldecode "a+b"}}`:                                 "eD8= x? a+b a b",
		`{{regexReplaceAll "(a)(.)" "abac" "$2$1"}} {{regexReplaceAllLiteral "a" "aba" "$1"}}`:                      "baca $1b$1",
		`{{add 1 2 3}} {{sub 5 "2"}} {{mul 2 3}} {{div 7 2}} {{mod 7 2}} {{max 1 3 2}} {{min 3 1}}`:                 "6 3 6 3 1 3 1",
		`{{addf 1.5 2}} {{subf 1 0.5}} {{mulf 2 1.5}} {{divf 1 8}} {{maxf 1 2.5}} {{minf 1 2.5}}`:                   "3.5 0.5 3 0.125 2.5 1",
		`{{floor 1.7}} {{ceil 1.2}} {{round 1.256 2}} {{int "7.9"}} {{float64 "1.5"}}`:                              "1 2 1.26 7 1.5",
		`{{bytes "2KB"}} {{duration "1m"}} {{duration_seconds "500ms"}}`:                                            "2000 60 0.5",
		`{{__timestamp__ | unixEpoch}} {{__timestamp__ | unixEpochMillis}} {{__timestamp__ | unixEpochNanos}}`:      "1700000000 1700000000000 1700000000000000000",
		`{{date "2006" (unixToTime "1700000000")}} {{date "2006" (unixToTime "1700000000000")}}`:                    "2023 2023",
		`{{date "15:04" (toDate "2006-01-02 15:04" "2026-01-02 03:04")}}`:                                           "03:04",
		`{{with .service}}{{upper .}}{{end}}{{if and .service (not .missing)}} yes{{else}} no{{end}}`:               "SHOP yes",
		`{{printf "%-6s|%5.1f|%d" .service 1.25 7}}`:                                                                "shop  |  1.2|7",
	} {
		if r := staged(t, "| line_format "+quote(template), "x"); r.text != want || r.problem != "" {
			t.Errorf("%s\ngives %q %s\nwant  %q", template, r.text, r.detail, want)
		}
	}
}

// TestTemplateBounds: whatever a template says, it ends soon and gives little.
func TestTemplateBounds(t *testing.T) {
	long := strings.Repeat("x", 200<<10)
	nested := `"x"`
	for range 60 {
		nested = "(b64enc (urlencode " + nested + "))"
	}
	for _, template := range []string{
		`{{repeat 1000000 "x"}}`, `{{repeat -1 "x"}}`, `{{repeat 9000000000000000000 __line__}}`, `{{alignLeft 1000000 "x"}}`,
		`{{replace "" "yyyyyyyyyyyyyyyyyyyy" __line__}}`, `{{Replace __line__ "x" __line__ -1}}`, `{{regexReplaceAll "x" __line__ "yyyyyyyyyy"}}`,
		`{{__line__}}{{__line__}}`, `{{printf "%9999999d" 1}}`, `{{printf "%*d" 9999999 1}}`, `{{printf "%.99999999f" 1.0}}`, `{{printf "%[1]*d" 9 1}}`,
		`{{printf "%q" (printf "%q" (printf "%s%s%s%s%s%s" __line__ __line__ __line__ __line__ __line__ __line__))}}`,
		`{{` + nested + `}}`, `{{div 1 0}}`, `{{mod 1 0}}`, `{{add "x" 1}}`, `{{int "x"}}`, `{{regexReplaceAll "(" "x" "y"}}`, `{{count "(" "x"}}`,
		`{{b64dec "?"}}`, `{{unixToTime "x"}}`, `{{index 1 2}}`, `{{floor .}}`,
		`{{count "` + strings.Repeat("x", 300) + `" "x"}}`,
	} {
		start := time.Now()
		r := staged(t, "| line_format "+quote(template), long)
		if r.problem != "TemplateFormatErr" || r.text != long {
			t.Errorf("%.60s gives %d bytes, %s", template, len(r.text), r.problem)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%.60s takes %v", template, took)
		}
	}
	for _, template := range []string{
		`{{range 9}}{{end}}`, `{{block "a" .}}{{end}}`, `{{template "x"}}`, `{{call .a}}`, `{{print 1}}`, `{{html .a}}`, `{{break}}`,
		`{{if range 3}}{{end}}`, `{{if .a}}{{else}}{{range 3}}{{end}}{{end}}`, `{{printf "%s" (call .a)}}`, strings.Repeat("{{.a}}", 1000),
	} {
		if _, err := ParseLog("{} | label_format a=" + quote(template)); err == nil {
			t.Errorf("%.60s is allowed", template)
		}
	}
}

// reference flattens as the stage json is documented to. It is false when two keys have the same name as a label.
func reference(prefix string, v map[string]any, out map[string]string) bool {
	for key, v := range v {
		name := LabelName(prefix + key)
		if _, twice := out[name]; twice {
			return false
		}
		switch v := v.(type) {
		case map[string]any:
			if !reference(name+"_", v, out) {
				return false
			}
		case string:
			out[name] = v
		case json.Number, bool:
			out[name] = fmt.Sprint(v)
		}
	}
	return true
}

// FuzzJSON compares with the decoder of the standard library.
func FuzzJSON(f *testing.F) {
	for _, line := range []string{
		`{"a": 1, "b": {"c": "x\n\"", "d": [1, {"e": 2}], "f": {}}, "": null, "t": true, "1x": -1.5e3}`, `{}`, `{"a":[]}`, ` { "a" : "\u00e9" , "b":{"b":{}}} `,
		`{"a":1`, `[1]`, `"x"`, `{"a":"}"}`, `{"a":"\\"}`, `{"a\"b":1}`, `{"service":"x","level":"y"}`, `{"a":"ü","b":""}`,
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		r := staged(t, "| json", line)
		decoder := json.NewDecoder(strings.NewReader(line))
		decoder.UseNumber()
		var v map[string]any
		if err := decoder.Decode(&v); err != nil || v == nil || !json.Valid([]byte(line)) {
			if r.problem == "" {
				t.Fatalf("%q is read as an object", line)
			}
			return
		}
		want := map[string]string{}
		if !reference("", v, want) || len(want) > 100 || strings.Count(line, "{") > maxJSONDepth || !utf8.ValidString(line) {
			return
		}
		for name, value := range want {
			got, ok := r.get(name)
			if got != value {
				got, ok = r.get(name + "_extracted")
			}
			if !ok || got != value {
				t.Errorf("%q: %s is %q %v, want %q", line, name, got, ok, value)
			}
		}
	})
}

// FuzzLine passes any line through any stage: nothing panics.
func FuzzLine(f *testing.F) {
	f.Add(`a=b c="d\"" e`, "<a> <_>", `a.b["c"][0]`, "{{.a}}")
	f.Add(`{"a":{"b":[1,2]}}`, "x <a>", `a.b[1]`, "{{__line__}}")
	f.Add("=\"\" = \"x", "<a", "[", "{{")
	f.Fuzz(func(_ *testing.T, line, pattern, path, template string) {
		for _, s := range []Stage{
			&Pattern{pattern}, &LineFilter{"|>", []string{pattern}}, &JSON{[]Extraction{{"a", path}}}, &JSON{}, &Logfmt{Strict: true}, &Logfmt{KeepEmpty: true},
			&LineFormat{template}, &Regexp{pattern}, &LabelFilter{&ValueCondition{"a", ">", 1, Duration}}, &Unwrap{"a", "bytes"},
		} {
			step, err := s.compile()
			if err != nil {
				continue
			}
			r := &record{}
			r.reset(&entry.Entry{Message: line, Attrs: []entry.Attr{{Name: "a", Value: line}}})
			step(r)
			r.line()
		}
	})
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "5m": 5 * time.Minute, "1h30m": 90 * time.Minute, "1.5s": 1500 * time.Millisecond, "1d": 24 * time.Hour, "2w1d": 15 * 24 * time.Hour,
		"1y": 365 * 24 * time.Hour, "3µs": 3 * time.Microsecond, "3μs": 3 * time.Microsecond, "3us": 3 * time.Microsecond, "-5ms": -5 * time.Millisecond, "7ns": 7,
	} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("%s is %v %v", text, got, err)
		}
	}
	for _, text := range []string{"", "-", "5", "m", "5x", "1..2s", "300y", "5m5", "9223372036854775807s", "99999999999999999999ns", "250y250y", "5 m"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("%s is %v, want a mistake", text, got)
		}
	}
	for text, want := range map[string]float64{"5": 5, "5B": 5, "2kb": 2000, "1.5 MiB": 1.5 * (1 << 20), "1G": 1e9} {
		if got, err := parseBytes(text); err != nil || got != want {
			t.Errorf("%s is %v %v", text, got, err)
		}
	}
	for _, text := range []string{"", "B", "5XB", "5 5"} {
		if got, err := parseBytes(text); err == nil {
			t.Errorf("%s is %v, want a mistake", text, got)
		}
	}
}

func TestLabelName(t *testing.T) {
	for name, want := range map[string]string{"": "_", "a": "a", "http.status-code": "http_status_code", "1a": "_1a", "größe": "gr__e", "a\xffb": "a_b"} {
		if got := LabelName(name); got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
	}
}
