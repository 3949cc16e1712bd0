package view

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion/server/api/client"
)

// points are one every minute since noon.
func points(values ...float64) (all []client.Point) {
	for i, v := range values {
		all = append(all, client.Point{At: noon.Add(time.Duration(i) * time.Minute), Value: v})
	}
	return all
}

func labels(pairs ...string) map[string]string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return m
}

func TestSeries(t *testing.T) {
	vector := client.Answer{Kind: client.Vector, Series: []client.Series{
		{Labels: labels("__name__", "requests_total", "job", "shop", "code", "200", "route", "product"), Points: points(1234567)},
		{Labels: labels("__name__", "requests_total", "job", "shop", "code", "500"), Points: points(0.1 + 0.2)},
		{Labels: labels("__name__", "requests_total", "job", "shop", "code", "\x1b[31m"), Points: points(math.NaN())},
	}}
	matrix := client.Answer{Kind: client.Matrix, Series: []client.Series{
		{Labels: labels("route", "product"), Points: points(1, 2, 3, 4, 5, 6, 7, 8)},
		{Labels: labels("route", "cart"), Points: append(points(5, math.Inf(1)), client.Point{At: noon.Add(7 * time.Minute), Value: 5})},
		{Labels: labels("route", "none"), Points: points(math.NaN())},
	}}
	for name, test := range map[string]struct {
		answer client.Answer
		points bool
		style  Style
	}{
		"vector":       {answer: vector},
		"vector-color": {answer: vector, style: Style{Color: true}},
		"matrix":       {answer: matrix},
		"points":       {answer: matrix, points: true, style: Style{Zone: berlin}},
		"histogram": {answer: client.Answer{Kind: client.Vector, Series: []client.Series{
			{Labels: labels("route", "product"), Points: []client.Point{{At: noon, Value: 12, Sum: 3.25, Histogram: true}}},
		}}},
	} {
		golden(t, "series-"+name+".txt", Series(test.answer, test.points, test.style))
	}
	for want, answer := range map[string]client.Answer{
		"42\n":     {Kind: client.Scalar, Series: []client.Series{{Points: points(42)}}},
		"0.5\n":    {Kind: client.Vector, Series: []client.Series{{Labels: labels(), Points: points(.5)}}},
		"a text\n": {Kind: client.String, Text: "a\ntext"},
		"":         {Kind: client.Vector},
	} {
		if have := Series(answer, false, Style{}); have != want {
			t.Errorf("%q, want %q", have, want)
		}
	}
}

// A spike of one point among very many is still seen.
func TestGraphShowsASpike(t *testing.T) {
	values := make([]float64, 5000)
	values[3333] = 1
	of := client.Series{Points: points(values...)}
	g := frame([]client.Series{of})
	row := g.row(of.Points)
	if drawn := []rune(row[0].text); len(drawn) != widest || strings.Count(row[0].text, "█") != 1 {
		t.Errorf("%q", row[0].text)
	}
	if row[3].text != "1" || row[2].text != "0.0002" {
		t.Errorf("%v", row)
	}
}

func TestFigure(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", -3: "-3", 0.1 + 0.2: "0.3", 1234567.89: "1234567.9", 123456789012: "123456789012", 0.00001234: "1.234e-05",
		1e20: "1e+20", math.Inf(-1): "-Inf", 2.0 / 3: "0.666667", 1e15 - 1: "999999999999999",
	} {
		if have := figure(v); have != want {
			t.Errorf("%v is %s, want %s", v, have, want)
		}
	}
	if have := figure(math.NaN()); have != "NaN" {
		t.Error(have)
	}
}
