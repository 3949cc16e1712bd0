package view

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gabion-io/gabion/server/api/client"
)

// Whatever the numbers and times, what is shown is text that cannot move the cursor.
func FuzzSeries(f *testing.F) {
	f.Add([]byte("0123456789abcdef"), "name", "value", false)
	f.Add([]byte{}, "__name__", "\x1b[2J", true)
	f.Fuzz(func(t *testing.T, raw []byte, name, value string, points bool) {
		of := client.Series{Labels: map[string]string{name: value}}
		for ; len(raw) >= 16; raw = raw[16:] {
			of.Points = append(of.Points, client.Point{
				At:    time.UnixMilli(int64(binary.LittleEndian.Uint64(raw))),
				Value: math.Float64frombits(binary.LittleEndian.Uint64(raw[8:])),
			})
		}
		a := client.Answer{Kind: client.Matrix, Series: []client.Series{of, {Labels: map[string]string{}, Points: of.Points}}}
		text := Series(a, points, Style{})
		line := Line(client.Line{Labels: of.Labels, Text: value}, noon, Style{})
		for _, text := range []string{text, line} {
			if !utf8.ValidString(text) || strings.ContainsAny(text, "\x1b\r\t\x00") {
				t.Errorf("%q", text)
			}
		}
	})
}
