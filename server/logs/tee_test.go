package logs

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
)

func TestTee(t *testing.T) {
	s := sink{err: errors.New("disk full")}
	var fed []string
	log := slog.New(slog.NewJSONHandler(Tee(&s, func(line []byte) { fed = append(fed, string(line)) }), nil))
	log.Info("one")
	s.err = nil
	log.Info("two")
	if len(fed) != 2 || !strings.HasSuffix(fed[0], "\n") || s.lines() != 1 || fed[1] != s.text.String() {
		t.Errorf("fed %q, written %q", fed, s.text.String())
	}
}
