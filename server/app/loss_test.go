package app

import (
	"testing"

	"github.com/gabion-io/gabion/server/supervise"
)

func TestLoss(t *testing.T) {
	l := loss{feed: "lines"}
	for i, step := range []struct {
		dropped, refused uint64
		want             string // "" when nothing is told
	}{
		{0, 0, ""},
		{5, 0, "complete → losing"},
		{9, 2, ""},
		{9, 2, "losing → complete: 11 items were lost"},
		{9, 2, ""},
		{9, 3, "complete → losing"},
		{9, 3, "losing → complete: 1 items were lost"},
	} {
		e, changed := l.look(supervise.FeedCounts{Dropped: step.dropped, Refused: step.refused})
		got := ""
		if changed {
			got = e.From + " → " + e.To
			if e.To == "complete" {
				got += ": " + e.Reason
			}
		}
		if got != step.want || (changed && e.Key != "lines") {
			t.Errorf("step %d: %q, want %q", i, got, step.want)
		}
	}
}
