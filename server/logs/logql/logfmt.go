package logql

import (
	"strconv"
	"strings"
)

func (s *Logfmt) compile() (step, error) {
	labels := map[string][]string{} // by key
	for _, x := range s.Extract {
		labels[x.Path] = append(labels[x.Path], x.Label)
	}
	return func(r *record) bool {
		ok := pairs(r.text, func(key, value string, bare bool) {
			switch {
			case bare && !s.KeepEmpty:
			case len(labels) == 0:
				r.extract(LabelName(key), value)
			default:
				for _, label := range labels[key] {
					r.extract(label, value)
				}
			}
		})
		if !ok && s.Strict {
			return r.fail("LogfmtParserErr", "the line is not of the form key=value")
		}
		return true
	}, nil
}

// pairs gives the pairs of a line. bare are keys without a value. What cannot be read is passed over; it is not ok then.
func pairs(line string, give func(key, value string, bare bool)) (ok bool) {
	ok = true
	for rest := line; ; {
		if rest = strings.TrimLeft(rest, " \t\r\n"); rest == "" {
			return ok
		}
		n := strings.IndexAny(rest, "= \t\r\n\"")
		if n < 0 {
			n = len(rest)
		}
		key := rest[:n]
		rest = rest[n:]
		switch {
		case key == "" || strings.HasPrefix(rest, `"`):
			ok = false
			rest = rest[wordEnd(rest):]
		case !strings.HasPrefix(rest, "="):
			give(key, "", true)
		default:
			value, after, good := pairValue(rest[1:])
			if ok = ok && good; good {
				give(key, value, value == "")
			}
			rest = after
		}
	}
}

// pairValue reads a value, in quotes or up to the next space.
func pairValue(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		n := wordEnd(s)
		return s[:n], s[n:], strings.IndexByte(s[:n], '"') < 0
	}
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			if value = s[1:i]; strings.IndexByte(value, '\\') < 0 {
				return value, s[i+1:], true
			}
			value, err := strconv.Unquote(s[:i+1])
			return value, s[i+1:], err == nil
		}
	}
	return "", "", false
}

// wordEnd finds the next space.
func wordEnd(s string) int {
	if n := strings.IndexAny(s, " \t\r\n"); n >= 0 {
		return n
	}
	return len(s)
}
