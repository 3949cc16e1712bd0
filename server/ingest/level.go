package ingest

import (
	"strings"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// maxGuess is how far into a line a level is looked for.
const maxGuess = 512

// maxWords is among how many words at the beginning of a line its level may stand: behind a time, a host and a name.
const maxWords = 6

// GuessLevel looks for the level in the text of a line: as logfmt (level=warn) or JSON ("level":"warn") write it, or as a word
// among the first, in capitals (2026-01-31 14:30:00 WARN …, ERROR:root:…) or brackets ([error] …).
func GuessLevel(text string) entry.Level {
	text = text[:min(len(text), maxGuess)]
	if level := namedLevel(text); level != entry.Unknown {
		return level
	}
	n := 0
	for word := range strings.FieldsSeq(text) {
		if level := levelWord(word); level != entry.Unknown {
			return level
		}
		if n++; n == maxWords {
			break
		}
	}
	return entry.Unknown
}

// levelWord is the level that a word says, as in ERROR, [error], <WARN> or INFO:root:.
func levelWord(word string) entry.Level {
	bare := strings.TrimLeft(word, "[(<{|")
	bracketed := len(bare) < len(word)
	if end := strings.IndexFunc(bare, func(r rune) bool { return r < 'A' || r > 'Z' && r < 'a' || r > 'z' }); end >= 0 {
		if !strings.ContainsAny(bare[end:end+1], "])>}|:,;") {
			return entry.Unknown
		}
		bare = bare[:end]
	}
	if !bracketed && bare != strings.ToUpper(bare) {
		return entry.Unknown
	}
	return entry.ParseLevel(bare)
}

// namedLevel is the level that has its name in front.
func namedLevel(text string) entry.Level {
	for _, name := range []string{"level", "severity", "lvl"} {
		for rest := text; ; {
			i := strings.Index(rest, name)
			if i < 0 {
				break
			}
			bounded := i == 0 || rest[i-1] == ' ' || rest[i-1] == '"'
			rest = rest[i+len(name):]
			word := strings.TrimLeft(rest, `"=: `)
			if !bounded || len(word) == len(rest) {
				continue
			}
			if end := strings.IndexAny(word, "\" ,}\t"); end >= 0 {
				word = word[:end]
			}
			if level := entry.ParseLevel(word); level != entry.Unknown {
				return level
			}
		}
	}
	return entry.Unknown
}
