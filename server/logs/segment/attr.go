package segment

import (
	"encoding/binary"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// quoted remembers how the names of attributes are written, by their place: those of a line are mostly those of the line before.
type quoted [8][]byte

// appendAttrs appends the attributes as a JSON object of texts, in their order, names that occur twice twice. None at all is "".
func (q *quoted) appendAttrs(b []byte, attrs []entry.Attr) []byte {
	if len(attrs) == 0 {
		return b
	}
	start := len(b)
	for i := range attrs {
		b = q.appendName(b, i, attrs[i].Name)
		if value := attrs[i].Value; simple(value) {
			b = append(append(append(b, '"'), value...), '"')
		} else {
			b = appendQuoted(b, value)
		}
	}
	b[start] = '{'
	return append(b, '}')
}

// appendName appends a comma and the name of the attribute at that place.
func (q *quoted) appendName(b []byte, place int, name string) []byte {
	if place >= len(q) {
		return append(appendQuoted(append(b, ','), name), ':')
	}
	known := q[place] // ,"name":
	if len(known) != len(name)+4 || string(known[2:2+len(name)]) != name {
		if !simple(name) {
			return append(appendQuoted(append(b, ','), name), ':')
		}
		known = append(append(append(known[:0], `,"`...), name...), `":`...)
		q[place] = known
	}
	return append(b, known...)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

const hexDigits = "0123456789abcdef"

func appendQuoted(b []byte, s string) []byte {
	s = text(s)
	b = append(b, '"')
	start := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[start:i]...)
		start = i + 1
		if c < ' ' {
			b = append(b, `\u00`...)
			b = append(b, hexDigits[c>>4], hexDigits[c&15])
		} else {
			b = append(b, '\\', c)
		}
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}

// simple reports whether a text is written in JSON as it is, as nearly all are: it has ASCII alone, no control characters, no " and no \.
func simple(s string) bool {
	b := bytesOf(s)
	if len(b) < 8 {
		for _, c := range b {
			if c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' {
				return false
			}
		}
		return true
	}
	for at := 0; at < len(b)-8; at += 8 {
		if !simpleEight(binary.LittleEndian.Uint64(b[at:])) {
			return false
		}
	}
	return simpleEight(binary.LittleEndian.Uint64(b[len(b)-8:])) // some of them again
}

// simpleEight is simple for eight bytes at once. It subtracts from each byte so that its highest bit is set when that one was too small.
func simpleEight(b uint64) bool {
	quote, slash := b^'"'*ones, b^'\\'*ones
	return (b|(b-' '*ones)&^b|(quote-ones)&^quote|(slash-ones)&^slash)&(0x80*ones) == 0
}

// readAttrs appends what is in a JSON object to attrs and reports whether it was one. It understands what appendAttrs writes: texts only.
func readAttrs(attrs []entry.Attr, s string) ([]entry.Attr, bool) {
	if s == "" {
		return attrs, true
	}
	if s[0] != '{' {
		return attrs, false
	}
	for {
		var a entry.Attr
		var ok bool
		if a.Name, s, ok = readQuoted(s[1:]); !ok || s == "" || s[0] != ':' {
			return attrs, false
		}
		if a.Value, s, ok = readQuoted(s[1:]); !ok || s == "" {
			return attrs, false
		}
		attrs = append(attrs, a)
		if s[0] != ',' {
			return attrs, s == "}"
		}
	}
}

// readQuoted reads a JSON text at the start of s and returns the rest. A text without escapes is a part of s.
func readQuoted(s string) (value, rest string, ok bool) {
	if s == "" || s[0] != '"' {
		return "", "", false
	}
	s = s[1:]
	end := strings.IndexByte(s, '"')
	if end < 0 {
		return "", "", false
	}
	if strings.IndexByte(s[:end], '\\') < 0 {
		return readText(s[:end]), s[end+1:], true
	}
	var b []byte
	for i := 0; i < len(s); {
		switch c := s[i]; c {
		case '"':
			return readText(string(b)), s[i+1:], true
		case '\\':
			var n int
			if b, n = unescape(b, s[i:]); n == 0 {
				return "", "", false
			}
			i += n
		default:
			b = append(b, c)
			i++
		}
	}
	return "", "", false
}

// unescape appends what the escape at the start of s stands for, and returns how long it is; 0 when it is none.
func unescape(b []byte, s string) ([]byte, int) {
	if len(s) < 2 {
		return b, 0
	}
	if i := strings.IndexByte(`"\/bfnrt`, s[1]); i >= 0 {
		return append(b, "\"\\/\b\f\n\r\t"[i]), 2
	}
	r, ok := unicodeEscape(s)
	if !ok {
		return b, 0
	}
	if utf16.IsSurrogate(r) {
		low, ok := unicodeEscape(s[6:])
		if r = utf16.DecodeRune(r, low); !ok || r == utf8.RuneError {
			return b, 0
		}
		return utf8.AppendRune(b, r), 12
	}
	return utf8.AppendRune(b, r), 6
}

func unicodeEscape(s string) (rune, bool) {
	if len(s) < 6 || s[:2] != `\u` {
		return 0, false
	}
	r, err := strconv.ParseUint(s[2:6], 16, 32)
	return rune(r), err == nil
}
