package object

import (
	"encoding/json"
	"errors"
	"strings"
)

// maxNested is how deep values may be nested, as encoding/json has it.
const maxNested = 10000

// errSyntax says that a text is no JSON; [malformed] says where.
var errSyntax = errors.New("no JSON")

// walker goes once through a text that should be JSON, and gives parts of it as they are written. It takes what
// [json.Valid] takes.
type walker struct {
	text string
	at   int
}

// peek is the byte at which the walker stands; 0, which no JSON has, at the end.
func (w *walker) peek() byte {
	if w.at < len(w.text) {
		return w.text[w.at]
	}
	return 0
}

func (w *walker) space() {
	for w.at < len(w.text) {
		switch w.text[w.at] {
		case ' ', '\t', '\r', '\n':
			w.at++
		default:
			return
		}
	}
}

// next steps over spaces and a byte that must be there.
func (w *walker) next(want byte) error {
	if w.space(); w.peek() != want {
		return errSyntax
	}
	w.at++
	w.space()
	return nil
}

// more steps over what is behind an element: true over a comma, false over the end of what it is an element of.
func (w *walker) more(end byte) (bool, error) {
	w.space()
	switch w.peek() {
	case ',':
		w.at++
		w.space()
		return true, nil
	case end:
		w.at++
		return false, nil
	}
	return false, errSyntax
}

// value steps over a value and returns it as it is written.
func (w *walker) value(nested int) (raw string, err error) {
	start := w.at
	switch c := w.peek(); {
	case c == '"':
		err = w.quoted()
	case c == '{':
		err = w.all('}', nested, w.field)
	case c == '[':
		err = w.all(']', nested, w.element)
	case c == '-' || c >= '0' && c <= '9':
		err = w.number()
	default:
		err = w.word()
	}
	return w.text[start:w.at], err
}

// all steps over the elements of an object or a list.
func (w *walker) all(end byte, nested int, one func(nested int) error) error {
	if nested++; nested > maxNested {
		return errSyntax
	}
	w.at++
	if w.space(); w.peek() == end {
		w.at++
		return nil
	}
	for {
		if err := one(nested); err != nil {
			return err
		}
		if more, err := w.more(end); !more || err != nil {
			return err
		}
	}
}

func (w *walker) element(nested int) error {
	_, err := w.value(nested)
	return err
}

func (w *walker) field(nested int) error {
	if _, err := w.key(); err != nil {
		return err
	}
	return w.element(nested)
}

// key steps over the name of a field and the colon, and returns the name in its quotes.
func (w *walker) key() (string, error) {
	start := w.at
	if w.peek() != '"' {
		return "", errSyntax
	}
	if err := w.quoted(); err != nil {
		return "", err
	}
	key := w.text[start:w.at]
	return key, w.next(':')
}

func (w *walker) quoted() error {
	for w.at++; w.at < len(w.text); w.at++ {
		switch c := w.text[w.at]; {
		case c == '"':
			w.at++
			return nil
		case c < ' ':
			return errSyntax
		case c == '\\':
			w.at++
			if err := w.escaped(); err != nil {
				return err
			}
		}
	}
	return errSyntax
}

// escaped steps to the last byte of what follows a backslash.
func (w *walker) escaped() error {
	switch w.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return nil
	case 'u':
		for range 4 {
			w.at++
			if c := w.peek(); (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
				return errSyntax
			}
		}
		return nil
	}
	return errSyntax
}

func (w *walker) number() error {
	if w.peek() == '-' {
		w.at++
	}
	if w.peek() == '0' {
		w.at++
	} else if !w.digits() {
		return errSyntax
	}
	if w.peek() == '.' {
		if w.at++; !w.digits() {
			return errSyntax
		}
	}
	if w.peek()|0x20 == 'e' {
		if w.at++; w.peek() == '+' || w.peek() == '-' {
			w.at++
		}
		if !w.digits() {
			return errSyntax
		}
	}
	return nil
}

// digits steps over digits, and says whether there was one.
func (w *walker) digits() bool {
	start := w.at
	for c := w.peek(); c >= '0' && c <= '9'; c = w.peek() {
		w.at++
	}
	return w.at > start
}

func (w *walker) word() error {
	for _, word := range []string{"true", "false", "null"} {
		if strings.HasPrefix(w.text[w.at:], word) {
			w.at += len(word)
			return nil
		}
	}
	return errSyntax
}

// text is what is in the quotes.
func text(quoted string) string {
	inner := quoted[1 : len(quoted)-1]
	if strings.IndexByte(inner, '\\') < 0 {
		return inner
	}
	var s string
	if err := json.Unmarshal([]byte(quoted), &s); err != nil { // it is valid, so this cannot be
		return inner
	}
	return s
}
