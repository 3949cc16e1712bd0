// Package where says which lines of a log are the important ones: those for which a condition holds.
//
//	level>=error or tag:audit
//	service=checkout and (status>=500 or not handler=/healthz)
//
// A condition compares a field with a value:
//
//	NAME=VALUE  NAME!=VALUE           the value is, or is not, that text
//	NAME:VALUE                        it has that element, see below
//	NAME>VALUE  >=  <  <=             it is a larger or smaller number or duration
//
// NAME is level, service, instance, handler, trace, message, or the name of an attribute. The level is compared by its
// order: trace, debug, info, warn, error, fatal. A field that a line does not have is equal to nothing, and neither larger
// nor smaller.
//
// NAME:VALUE holds when VALUE is an element of the field: of a list in JSON, or of a text whose elements are separated by
// commas or spaces. An attribute may have the name in the plural, so that tag:audit finds tags as well. message:VALUE
// holds when the message has the text somewhere, in letters of either case.
//
// Conditions are joined with and, or, not and parentheses; not binds closest, then and. A value, or a name, that holds other
// characters than letters, digits and _ - . / * @ is written in double quotes.
package where

import (
	"fmt"
	"strings"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// Condition is one that was read. It is safe for concurrent use. The zero value holds for no line.
type Condition struct {
	text  string
	holds func(*entry.Entry) bool
}

// Holds says whether it does for a line.
func (c Condition) Holds(e *entry.Entry) bool { return c.holds != nil && c.holds(e) }

// String is the condition as it was written.
func (c Condition) String() string { return c.text }

// SyntaxError says what is wrong with a condition.
type SyntaxError struct {
	// Offset is the first byte that is wrong, Length how many are; 0 at the end of the text.
	Offset, Length int
	// Problem is for people.
	Problem string
	// Got is the word that is wrong, Allowed what may stand in its place. Empty when that is not a question of words.
	Got     string
	Allowed []string
}

// Error implements error. It begins with the place, as a column.
func (e *SyntaxError) Error() string { return fmt.Sprintf("column %d: %s", e.Offset+1, e.Problem) }

// The bounds of a condition.
const (
	maxText  = 4096 // bytes
	maxDepth = 50   // parentheses and nots within each other
)

// Parse reads a condition. The error is a [*SyntaxError].
func Parse(text string) (Condition, error) {
	if len(text) > maxText {
		return Condition{}, &SyntaxError{Offset: maxText, Problem: fmt.Sprintf("it has %d bytes, %d are allowed", len(text), maxText)}
	}
	p := &parser{text: text}
	p.next()
	holds, err := p.either(0)
	if err == nil && p.token.kind != end {
		err = p.wrong(`"and" or "or" is missing before %s`, p.token)
	}
	if err != nil {
		return Condition{}, err
	}
	return Condition{strings.TrimSpace(text), holds}, nil
}
