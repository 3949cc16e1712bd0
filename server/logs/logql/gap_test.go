package logql

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestGaps(t *testing.T) {
	ctx, gaps := WithGaps(t.Context())
	if got := gaps.Warnings(); got != nil {
		t.Errorf("of a whole answer: %q", got)
	}
	noon := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for range 2 { // a query may look twice
		LeaveOut(ctx, Gap{File: "b", Part: "1", From: noon.Add(time.Minute), To: noon.Add(3 * time.Minute), Lines: 3})
		LeaveOut(ctx, Gap{File: "b", Part: "2", From: noon, To: noon.Add(2 * time.Minute), Lines: 4})
		LeaveOut(ctx, Gap{File: "c", From: noon, To: noon.Add(time.Hour)})
		LeaveOut(ctx, Gap{File: "a", To: noon})
	}
	LeaveOut(t.Context(), Gap{File: "nobody asks", To: noon})
	want := []string{
		"lines before 2026-11-21T12:00:00.000Z are left out: a is damaged",
		"up to 7 lines from 2026-11-21T12:00:00.000Z to 2026-11-21T12:03:00.000Z are left out: b is damaged",
		"lines from 2026-11-21T12:00:00.000Z to 2026-11-21T13:00:00.000Z are left out: c is damaged",
	}
	if got := gaps.Warnings(); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestManyGaps(t *testing.T) {
	ctx, gaps := WithGaps(t.Context())
	for i := range maxWarnings + 5 {
		LeaveOut(ctx, Gap{File: fmt.Sprint(i), To: time.Unix(int64(i), 0)})
	}
	got := gaps.Warnings()
	if len(got) != maxWarnings+1 || got[maxWarnings] != "lines of 5 more damaged files are left out" {
		t.Errorf("%q", got)
	}
}
