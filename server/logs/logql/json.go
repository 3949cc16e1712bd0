package logql

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// maxJSONDepth is how deep objects inside each other are looked at.
const maxJSONDepth = 32

func (s *JSON) compile() (step, error) {
	paths := make([][]string, len(s.Extract))
	for i, x := range s.Extract {
		var err error
		if paths[i], err = jsonPath(x.Path); err != nil {
			return nil, err
		}
	}
	var buffer []byte
	return func(r *record) bool {
		text := strings.TrimSpace(r.text)
		buffer = append(buffer[:0], text...)
		if !strings.HasPrefix(text, "{") || !json.Valid(buffer) {
			return r.fail("JSONParserErr", "the line is no JSON object")
		}
		if len(paths) == 0 {
			flatten(r, "", text, 0)
			return true
		}
		for i, path := range paths {
			if value, ok := find(text, path); ok {
				r.extract(s.Extract[i].Label, scalar(value))
			}
		}
		return true
	}, nil
}

// flatten extracts all values of an object, the names of objects inside each other joined by "_". Arrays and nulls are passed over.
func flatten(r *record, prefix, object string, depth int) {
	if depth == maxJSONDepth {
		return
	}
	members(object, func(key, value string) bool {
		name := LabelName(prefix + key)
		switch value[0] {
		case '{':
			flatten(r, name+"_", value, depth+1)
		case '[', 'n':
		default:
			r.extract(name, scalar(value))
		}
		return len(r.fields) < maxFields
	})
}

// scalar is the text of a value: strings without quotes, the rest as written.
func scalar(value string) string {
	if value[0] != '"' {
		return value
	}
	if strings.IndexByte(value, '\\') < 0 {
		return value[1 : len(value)-1]
	}
	var s string
	if json.Unmarshal([]byte(value), &s) != nil {
		return value // cannot be: the line was checked as a whole
	}
	return s
}

// find follows a path of keys and indexes.
func find(value string, path []string) (string, bool) {
	for _, key := range path {
		found := ""
		switch value[0] {
		case '{':
			members(value, func(k, v string) bool {
				if k == key {
					found = v
				}
				return found == ""
			})
		case '[':
			n, err := strconv.Atoi(key)
			if err != nil {
				return "", false
			}
			elements(value, func(v string) bool {
				if n == 0 {
					found = v
				}
				n--
				return found == ""
			})
		}
		if found == "" {
			return "", false
		}
		value = found
	}
	return value, true
}

// members gives the keys and values of an object that is known to be valid JSON, until it is told to stop.
func members(object string, give func(key, value string) bool) {
	for rest := space(object[1:]); rest[0] != '}'; {
		n := valueEnd(rest)
		key := scalar(rest[:n])
		rest = space(space(rest[n:])[1:]) // the colon
		n = valueEnd(rest)
		if !give(key, rest[:n]) {
			return
		}
		if rest = space(rest[n:]); rest[0] == ',' {
			rest = space(rest[1:])
		}
	}
}

// elements gives those of an array.
func elements(array string, give func(value string) bool) {
	for rest := space(array[1:]); rest[0] != ']'; {
		n := valueEnd(rest)
		if !give(rest[:n]) {
			return
		}
		if rest = space(rest[n:]); rest[0] == ',' {
			rest = space(rest[1:])
		}
	}
}

func space(s string) string { return strings.TrimLeft(s, " \t\r\n") }

// valueEnd finds the end of the value that s starts with.
func valueEnd(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			for i++; s[i] != '"'; i++ {
				if s[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			depth++
			continue
		case '}', ']':
			if depth == 0 {
				return i // the end of what holds a number
			}
			depth--
		case ',', ':', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return i
			}
			continue
		default:
			continue
		}
		if depth == 0 {
			return i + 1
		}
	}
	return len(s)
}

// jsonPath reads a path such as request.headers["User-Agent"][0].
func jsonPath(s string) ([]string, error) {
	wrong := errors.New("the path " + quote(s) + ` is not understood, expected one such as request.headers["User-Agent"] or servers[0]`)
	var path []string
	for rest := s; rest != ""; {
		if after, ok := strings.CutPrefix(rest, "["); ok {
			key, tail, err := bracket(after)
			if err != nil {
				return nil, wrong
			}
			path, rest = append(path, key), tail
			continue
		}
		if len(path) > 0 {
			after, ok := strings.CutPrefix(rest, ".")
			if !ok {
				return nil, wrong
			}
			rest = after
		}
		n := strings.IndexAny(rest, ".[")
		if n < 0 {
			n = len(rest)
		}
		if n == 0 || slices.ContainsFunc([]byte(rest[:n]), func(c byte) bool { return c <= ' ' || c == ']' || c == '"' }) {
			return nil, wrong
		}
		path, rest = append(path, rest[:n]), rest[n:]
	}
	if len(path) == 0 || len(path) > maxJSONDepth {
		return nil, wrong
	}
	return path, nil
}

// bracket reads what comes after a "[": a key in quotes or an index, and "]".
func bracket(s string) (key, rest string, err error) {
	if quoted, err := strconv.QuotedPrefix(s); err == nil {
		key, err := strconv.Unquote(quoted)
		rest, ok := strings.CutPrefix(s[len(quoted):], "]")
		if err != nil || !ok {
			return "", "", strconv.ErrSyntax
		}
		return key, rest, nil
	}
	key, rest, ok := strings.Cut(s, "]")
	if n, err := strconv.Atoi(key); !ok || err != nil || n < 0 {
		return "", "", strconv.ErrSyntax
	}
	return key, rest, nil
}
