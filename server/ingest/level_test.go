package ingest

import (
	"strings"
	"testing"

	"github.com/gabion-io/gabion/server/logs/entry"
)

func TestGuessLevel(t *testing.T) {
	for text, want := range map[string]entry.Level{
		// with its name
		`ts=1 level=warn msg=x`: entry.Warn, `{"severity": "ERROR"}`: entry.Error, `{"level":"info","a":1}`: entry.Info, `lvl=dbg`: entry.Debug,
		`the level is high`: 0, `toplevel=error`: 0, `level`: 0, `level=`: 0, `level level=error`: entry.Error, strings.Repeat("x", 600) + " level=warn": 0,
		`level=info ERROR was the answer`: entry.Info,
		// among the first words
		`2026-01-31 14:30:00,123 ERROR shop - no`:      entry.Error,
		`2026-01-31 14:30:00.123  WARN 77 --- [main]`:  entry.Warn,
		`2026/01/31 14:30:00 [error] 77#77: *1 open()`: entry.Error,
		`14:30:00.000 [main] DEBUG com.example - x`:    entry.Debug,
		`Jan 31 14:30:00 host shop[7]: INFO x`:         entry.Info,
		`ERROR:root:no`:                                entry.Error,
		`[WARNING] no`:                                 entry.Warn,
		`<crit> no`:                                    entry.Fatal,
		`PANIC`:                                        entry.Fatal,
		`a b c d e f ERROR`:                            0,
		`error in line 7`:                              0,
		`no Error here`:                                0,
		`ERRORS 7`:                                     0,
		`ERROR7 x`:                                     0,
		`INFORMATIONAL`:                                0,
		`[main] x`:                                     0,
		`[] [`:                                         0,
		"\xff\xfe ERROR":                               entry.Error,
		``:                                             0,
	} {
		if got := GuessLevel(text); got != want {
			t.Errorf("%s is %v, want %v", text, got, want)
		}
	}
}

func FuzzGuessLevel(f *testing.F) {
	f.Add("2026-01-31 [error] x")
	f.Add("level=warn")
	f.Fuzz(func(t *testing.T, text string) {
		if got := GuessLevel(text); got > entry.Fatal {
			t.Errorf("%q is %v", text, got)
		}
	})
}
