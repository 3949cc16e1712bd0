package tier

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAStartIsQuiet: nothing is said at level info when all is well, and what is wrong still is.
func TestAStartIsQuiet(t *testing.T) {
	var said bytes.Buffer
	level := new(slog.LevelVar)
	b := setup(t, func(o *Options) {
		o.Logger = slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: level}))
	})
	b.put(sample(start, 1, "__name__", "a"))
	b.reopen()
	if said.Len() > 0 {
		t.Errorf("all is well, and it says:\n%s", &said)
	}
	level.Set(slog.LevelDebug)
	b.reopen()
	if text := said.String(); !strings.Contains(text, `level=DEBUG msg="Replaying WAL`) || !strings.Contains(text, "tier=raw") || strings.Contains(text, "level=INFO") {
		t.Errorf("who looks for a fault sees:\n%s", text)
	}
	level.Set(slog.LevelInfo)
	said.Reset()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(b.dir, "raw", "wal", "00000000")
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	text[10] ^= 1
	if err := os.WriteFile(log, text, 0o600); err != nil {
		t.Fatal(err)
	}
	b.open()
	if text := said.String(); !strings.Contains(text, "level=WARN") {
		t.Errorf("its log is damaged, and it says:\n%s", text)
	}
}

func TestHush(t *testing.T) {
	var said bytes.Buffer
	log := hush(slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))).With("a", 1).WithGroup("g")
	for _, l := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelInfo + 2, slog.LevelWarn, slog.LevelError} {
		log.Log(context.Background(), l, "x", "b", 2)
	}
	want := strings.Repeat("level=DEBUG msg=x a=1 g.b=2\n", 3) + "level=WARN msg=x a=1 g.b=2\nlevel=ERROR msg=x a=1 g.b=2\n"
	if said.String() != want {
		t.Errorf("%s\nis not\n%s", &said, want)
	}
}
