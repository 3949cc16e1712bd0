package app

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestARefusedFileIsTriedOnce: something may happen in its folder all the time.
func TestARefusedFileIsTriedOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gabion.yaml")
	good, broken := "gateway: {drain: 1s}\n", "gateway: {drain: soon}\n"
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(good)
	var log bytes.Buffer
	a, err := New(Options{Path: path, Access: io.Discard, Log: &log})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		text       string
		tried      bool
		generation uint64
		wrong      bool
	}{
		{good, false, 1, false},
		{broken, true, 1, true},
		{broken, false, 1, true},
		{"", true, 1, true}, // it is gone
		{"", false, 1, true},
		{broken, true, 1, true},
		{good, true, 2, false}, // what is in force is news after a refusal
		{good, false, 2, false},
		{broken, true, 2, true},
	} {
		write(step.text)
		if step.text == "" {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
		before := a.source.Tried
		a.changed()
		if tried := a.source.Tried != before; tried != step.tried || a.source.Generation != step.generation || (a.source.Error != "") != step.wrong {
			t.Errorf("%+v: tried %v, generation %d, error %q", step, tried, a.source.Generation, a.source.Error)
		}
	}
	a.Stop()
	if got := strings.Count(log.String(), "stays"); got != 4 {
		t.Errorf("the log tells of %d refusals:\n%s", got, log.String())
	}
}
