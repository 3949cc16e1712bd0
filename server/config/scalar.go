package config

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/gabion-io/gabion"
)

// scalar decodes a single value.
func (d *decoder) scalar(n *node, v reflect.Value, path string, f field) {
	if n.kind != scalarNode {
		d.wrongType(n, path, describe(v.Type(), f))
		return
	}
	if n.text == "off" && n.plain && isNumber(v.Type()) {
		d.off(n, v, path, f)
		return
	}
	if problem := set(n, v); problem != "" {
		d.problem(n, path, "%s%s", path, problem)
		return
	}
	if len(f.enum) > 0 {
		d.choice(n, path, f)
	}
	if problem := outside(v, f); problem != "" {
		d.problem(n, path, "%s is %s, %s", path, n.text, problem)
	}
}

func (d *decoder) off(n *node, v reflect.Value, path string, f field) {
	if !f.off {
		d.problem(n, path, "%s cannot be off; it takes %s", path, describe(v.Type(), f))
		return
	}
	if v.CanFloat() {
		v.SetFloat(gabion.Off)
	} else {
		v.SetInt(gabion.Off)
	}
}

func (d *decoder) choice(n *node, path string, f field) {
	if !slices.Contains(f.enum, n.text) {
		d.problem(n, path, "%s cannot be %q", path, clip(n.text)).allow(f.enum...).suggest(n.text, f.enum)
	}
}

// set puts the text of n into v, and says, to stand behind the path, what is wrong when it cannot.
func set(n *node, v reflect.Value) (problem string) {
	if v.Type() == durationType {
		return setDuration(n, v)
	}
	if text, ok := reflect.TypeAssert[encoding.TextUnmarshaler](v.Addr()); ok {
		if err := text.UnmarshalText([]byte(n.text)); err != nil {
			return ": " + shorten(err.Error(), 160)
		}
		return ""
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(n.text)
	case reflect.Bool:
		if n.tag != "!!bool" || (n.text != "true" && n.text != "false") {
			return fmt.Sprintf(" takes true or false, not %q", clip(n.text))
		}
		v.SetBool(n.text == "true")
	case reflect.Int:
		i, err := strconv.ParseInt(n.text, 10, 64)
		if err != nil {
			return fmt.Sprintf(" takes a whole number, not %q", clip(n.text))
		}
		if i > math.MaxInt32 {
			return fmt.Sprintf(" is %d, must be at most %d", i, math.MaxInt32)
		}
		v.SetInt(i)
	default:
		panic("config: no way to read a " + v.Type().String())
	}
	return ""
}

func setDuration(n *node, v reflect.Value) (problem string) {
	text := strings.TrimSpace(n.text)
	if dur, ok := parseDuration(text); ok {
		v.SetInt(int64(dur))
		return ""
	}
	if _, number := strconv.ParseFloat(text, 64); number == nil {
		return fmt.Sprintf(" takes a duration with a unit: %sms, %ss or %sm?", text, text, text)
	}
	return fmt.Sprintf(" takes a duration such as 300ms, 10s, 2m or 15d, not %q", clip(text))
}

func isNumber(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Int, reflect.Int64, reflect.Float64:
		return true
	default:
		return false
	}
}

// outside says what is wrong with a number that is negative, or zero where that means nothing.
func outside(v reflect.Value, f field) (problem string) {
	if !isNumber(v.Type()) {
		return ""
	}
	negative, zero := v.CanInt() && v.Int() < 0, v.IsZero()
	if v.CanFloat() {
		negative = v.Float() < 0
	}
	switch {
	case negative && f.zero:
		return "must not be negative"
	case negative || (zero && !f.zero):
		if f.off {
			return "must be more than 0, or off"
		}
		return "must be more than 0"
	}
	return ""
}

// describe says what a key takes.
func describe(t reflect.Type, f field) string {
	what := kindOf(t).what
	if len(f.enum) > 0 {
		what = "one of " + strings.Join(f.enum, ", ")
	}
	if f.off {
		what += ", or off"
	}
	return what
}

// free makes plain Go values of a node, for what Gabion passes on as it is.
func free(n *node) any {
	switch n.kind {
	case nullNode:
		return nil
	case listNode:
		list := make([]any, len(n.items))
		for i := range n.items {
			list[i] = free(n.items[i])
		}
		return list
	case mapNode:
		m := make(map[string]any, len(n.items))
		for _, v := range n.items {
			m[v.key.text] = free(v)
		}
		return m
	default:
		return freeScalar(n)
	}
}

func freeScalar(n *node) any {
	switch n.tag {
	case "!!bool":
		return n.text == "true" || n.text == "True" || n.text == "TRUE"
	case "!!int":
		if i, err := strconv.ParseInt(n.text, 0, 64); err == nil {
			return i
		}
	case "!!float":
		if x, err := strconv.ParseFloat(n.text, 64); err == nil && !math.IsNaN(x) && !math.IsInf(x, 0) {
			return x
		}
	}
	return n.text
}
