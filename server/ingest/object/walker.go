package object

import (
	"bytes"
	"encoding/json"
	"iter"
)

// walker goes through a text that is known to be valid JSON, so it never looks for errors.
type walker struct {
	text []byte
	at   int
}

// fields gives the fields of the object at which the walker stands: the name in its quotes, and the value as it is written.
func (w *walker) fields() iter.Seq2[[]byte, []byte] {
	return func(yield func(key, raw []byte) bool) {
		for w.at++; ; w.at++ { // after the brace, and after each comma
			w.space()
			if w.text[w.at] == '}' {
				return
			}
			key := w.value()
			w.space()
			w.at++ // the colon
			w.space()
			if !yield(key, w.value()) {
				return
			}
			w.space()
			if w.text[w.at] == '}' {
				return
			}
		}
	}
}

func (w *walker) space() {
	for w.at < len(w.text) && bytes.IndexByte([]byte(" \t\r\n"), w.text[w.at]) >= 0 {
		w.at++
	}
}

// value steps over a value, however deep, and returns it.
func (w *walker) value() []byte {
	start, depth := w.at, 0
	for w.at < len(w.text) {
		switch w.text[w.at] {
		case '"':
			w.quoted()
			if depth == 0 {
				return w.text[start:w.at]
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 { // it ends what is around the value
				return w.text[start:w.at]
			}
			if depth--; depth == 0 {
				w.at++
				return w.text[start:w.at]
			}
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return w.text[start:w.at]
			}
		}
		w.at++
	}
	return w.text[start:w.at]
}

// quoted steps over a text in quotes.
func (w *walker) quoted() {
	for w.at++; w.text[w.at] != '"'; w.at++ {
		if w.text[w.at] == '\\' {
			w.at++
		}
	}
	w.at++
}

// text is what is in the quotes.
func text(quoted []byte) string {
	inner := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return string(inner)
	}
	var s string
	if err := json.Unmarshal(quoted, &s); err != nil { // it is valid, so this cannot be
		return string(inner)
	}
	return s
}
