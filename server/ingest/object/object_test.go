package object

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion/server/ingest"
	"github.com/gabion-io/gabion/server/logs/entry"
)

const at = 1763719200123000000 // 2025-11-21T10:00:00.123Z

func attrs(pairs ...string) (list []entry.Attr) {
	for pair := range slices.Chunk(pairs, 2) {
		list = append(list, entry.Attr{Name: pair[0], Value: pair[1]})
	}
	return list
}

func TestParse(t *testing.T) {
	id := "4bf92f3577b34da6a3ce929d0e0e4736"
	want := entry.Entry{Time: at, Level: entry.Warn, Service: "shop", Trace: id, Message: "slow"}
	for name, tc := range map[string]struct {
		line string
		want entry.Entry
	}{
		"slog":    {`{"time":"2025-11-21T10:00:00.123Z","level":"WARN","msg":"slow","service":"shop","trace_id":"` + strings.ToUpper(id) + `"}`, want},
		"zap":     {`{"ts":1763719200.123,"level":"warn","msg":"slow","service":"shop","traceID":"` + id + `"}`, want},
		"pino":    {`{"time":1763719200123,"level":40,"msg":"slow","service":"shop","traceId":"` + id + `"}`, want},
		"ecs":     {`{"@timestamp":"2025-11-21T11:00:00,123+0100","log":{"level":"warning"},"message":"slow","service":{"name":"shop"},"trace":{"id":"` + id + `"}}`, want},
		"ecs dot": {`{"@timestamp":"2025-11-21 10:00:00.123","log.level":"warning","message":"slow","service.name":"shop","trace.id":"` + id + `"}`, want},
		"spaces":  {" {\t\"ts\" : 1763719200123000 ,\r \"severity\": \"warn\" , \"msg\":\"sl\\u006fw\", \"service_name\":\"shop\",\"trace_id\":\"" + id + "\" } ", want},
		"empty":   {`{}`, entry.Entry{}},
		"spaced":  {`{ }`, entry.Entry{}},
		"attrs": {
			`{"msg":"a","message":"b","n":1.50,"ok":true,"none":null,"list":[1,{"a":"]"}],"o":{"x":"}\""},"level":"loud","span_id":"AB","route":"/x","instance":"i-1","":"empty"}`,
			entry.Entry{
				Message: "a", Span: "ab", Handler: "/x", Instance: "i-1",
				Attrs: attrs("message", "b", "n", "1.50", "ok", "true", "none", "null", "list", `[1,{"a":"]"}]`, "o", `{"x":"}\""}`, "level", "loud", "", "empty"),
			},
		},
		"known names of other kinds": {`{"msg":{"a":1},"time":null,"service":{"name":"s","version":"2"},"level":99,"http":{"route":"/r","n":2}}`, entry.Entry{
			Service: "s", Handler: "/r",
			Attrs: attrs("msg", `{"a":1}`, "time", "null", "service.version", "2", "level", "99", "http.n", "2"),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Parse([]byte(tc.line))
			// Seconds as a float lose what is beyond microseconds.
			got.Time = got.Time / 1e6 * 1e6
			if name == "zap" && got.Time != tc.want.Time && got.Time+1e6 == tc.want.Time {
				got.Time = tc.want.Time
			}
			if err != nil || fmt.Sprint(got) != fmt.Sprint(tc.want) {
				t.Errorf("%v\n got %+v\nwant %+v", err, got, tc.want)
			}
		})
	}
}

func TestMalformed(t *testing.T) {
	for line, want := range map[string]string{
		``:                                "unexpected end",
		`{"a":1,}`:                        "byte 8",
		`{"a":1} x`:                       "byte 9",
		`[1]`:                             "byte 1: want a JSON object",
		` "x"`:                            "byte 2: want a JSON object",
		`{"time":"yesterday"}`:            `field "time": "yesterday" is no time`,
		`{"ts":-1}`:                       `field "ts"`,
		`{"ts":1e30}`:                     `field "ts"`,
		`{"time":"1969-01-01T00:00:00Z"}`: "between 1970 and 2261",
		strings.Repeat(`{"a":`, 20000):    "depth",
	} {
		if _, err := Parse([]byte(line)); !errors.Is(err, ingest.ErrRefused) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: %v, want %q", line, err, want)
		}
	}
}

func TestTimes(t *testing.T) {
	want := time.Unix(0, at).Truncate(time.Second).UnixNano()
	for _, v := range []string{"1763719200", "1763719200000", "1763719200000000", "1763719200000000000", "2025-11-21T10:00:00Z", "2025-11-21T15:30:00+05:30", "2025-11-21 10:00:00", "2025-11-21 11:00:00 +0100", "1763719200.0"} {
		if got, err := ParseTime(v); got != want || err != nil {
			t.Errorf("%s is %d, %v", v, got, err)
		}
	}
	for _, v := range []string{"", "NaN", "Inf", "-5", "0x1p-2x", "2025-13-01T00:00:00Z"} {
		if got, err := ParseTime(v); err == nil {
			t.Errorf("%s is %d", v, got)
		}
	}
}

func TestManyFields(t *testing.T) {
	line := "{" + strings.Repeat(`"a":1,`, 10*maxFields) + `"msg":"x"}`
	if e, err := Parse([]byte(line)); err != nil || len(e.Attrs) != maxFields {
		t.Errorf("%d attributes, %v", len(e.Attrs), err)
	}
}

func FuzzParse(f *testing.F) {
	for _, line := range []string{`{"time":"2025-11-21T10:00:00.123Z","level":"WARN","msg":"slow","a":[{"b":"\"}"}]}`, `{"log":{"level":"x"},"a":null,"b":-1e3}`, `{"ts":1.5}`, `{ "\u0041" : { } }`, `[]`, `{"a":[1,-0.5e+3,{"b":[]},"\u00aF\/"],"c":tru}`, `{"a":01}`, `{"a":"\x"}`} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := Parse(line)
		if err != nil {
			if !errors.Is(err, ingest.ErrRefused) {
				t.Fatalf("an error of another kind: %v", err)
			}
			var all map[string]any
			if json.Unmarshal(line, &all) == nil && all != nil && !strings.Contains(err.Error(), "field") {
				t.Fatalf("an object is refused: %v", err)
			}
			return
		}
		var all map[string]any
		if err := json.Unmarshal(line, &all); err != nil {
			t.Fatalf("what is taken is no object: %v", err)
		}
		if e.Time < 0 {
			t.Fatalf("time %d", e.Time)
		}
		// Every plain field is somewhere.
		for name := range all {
			if known[name] != attribute || containers[name] || strings.Contains(name, "\uFFFD") || len(all) > maxFields {
				continue
			}
			if !slices.ContainsFunc(e.Attrs, func(a entry.Attr) bool { return strings.ToValidUTF8(a.Name, "\uFFFD") == name }) {
				t.Fatalf("%q is lost: %+v", name, e)
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	line := []byte(`{"time":"2026-11-21T10:00:00.123Z","level":"info","msg":"order 4711 placed","service":"shop","handler":"/order","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736",` +
		`"user":"u-17","status":200,"duration_ms":12.345,"items":[{"id":7,"n":1},{"id":9,"n":2}],"region":"eu-1"}`)
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(line); err != nil {
			b.Fatal(err)
		}
	}
}
