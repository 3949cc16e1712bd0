package view

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion/server/api/client"
)

func TestLine(t *testing.T) {
	all := []client.Line{
		{At: noon.Add(-time.Second - 500*time.Millisecond), Text: "paid", Labels: labels("level", "info", "detected_level", "info", "service", "bank", "service_name", "bank", "handler", "/pay", "user", "7")},
		{At: noon.Add(-24 * time.Hour), Text: "failed\x1b[2J\n\tat main\r\n\tat run\n", Labels: labels("level", "error", "service", "shop", "instance", "shop-1", "trace_id", "abc", "reason", "no \"stock\"", "empty", "")},
		{At: noon, Text: "", Labels: labels("level", "unknown")},
	}
	var text, colored strings.Builder
	for _, l := range all {
		text.WriteString(Line(l, noon, Style{Zone: berlin}))
		colored.WriteString(Line(l, noon, Style{Color: true}))
	}
	golden(t, "line.txt", text.String())
	golden(t, "line-color.txt", colored.String())
}

func TestLineJSON(t *testing.T) {
	text, err := LineJSON(client.Line{At: noon.In(berlin), Text: "a <b>\n", Labels: labels("level", "warn", "service", "shop", "service_name", "shop", "msg", "of a parser")})
	want := `{"time":"2026-05-04T12:00:00Z","level":"warn","service":"shop","msg":"a <b>\n","labels":{"msg":"of a parser"}}` + "\n"
	if err != nil || text != want || !json.Valid([]byte(text)) {
		t.Errorf("%v %s", err, text)
	}
}

func TestMistake(t *testing.T) {
	for _, test := range []struct {
		query        string
		line, column int
		want         string
	}{
		{"sum(rate(x)) by", 1, 16, "  sum(rate(x)) by\n                 ^"},
		{"a\n\tb c", 2, 4, "   b c\n     ^"},
		{`{a="ü"} x`, 1, 9, "  {a=\"ü\"} x\n          ^"},
		{"a\x1bb", 1, 1, "  a\uFFFDb\n  ^"},
		{"a", 2, 1, ""},
		{"a", 1, 3, ""},
		{"a", 0, 0, ""},
	} {
		if have := Mistake(test.query, test.line, test.column); have != test.want {
			t.Errorf("%q %d:%d:\n%s\nwant\n%s", test.query, test.line, test.column, have, test.want)
		}
	}
}
