package harness

import (
	"strconv"
	"strings"
	"testing"
)

// Metric is the sum of all series of that name whose labels contain every one of the given texts, such as
// `code="2xx"`, and how many there were.
func (g *Gateway) Metric(t testing.TB, name string, labels ...string) (sum float64, series int) {
	t.Helper()
	return metric(t, g.Get(t, "/metrics"), name, labels)
}

func metric(t testing.TB, text, name string, labels []string) (sum float64, series int) {
	t.Helper()
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || rest[0] != '{' && rest[0] != ' ' || !containsAll(rest, labels) {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(rest[strings.LastIndexByte(rest, ' '):]), 64)
		if err != nil {
			t.Fatalf("metric %q: %v", line, err)
		}
		sum += v
		series++
	}
	return sum, series
}

func containsAll(text string, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(text, part) {
			return false
		}
	}
	return true
}
