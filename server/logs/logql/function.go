package logql

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"text/template"
	"time"
	"unicode/utf8"
)

// functions are what a template can call. What could make a text grow is bounded by [MaxOutput].
var functions = template.FuncMap{
	"lower": strings.ToLower, "upper": strings.ToUpper, "ToLower": strings.ToLower, "ToUpper": strings.ToUpper,
	"Trim": strings.Trim, "TrimLeft": strings.TrimLeft, "TrimRight": strings.TrimRight, "TrimPrefix": strings.TrimPrefix,
	"TrimSuffix": strings.TrimSuffix, "TrimSpace": strings.TrimSpace, "trim": strings.TrimSpace,
	"trimAll":    func(cut, s string) string { return strings.Trim(s, cut) },
	"trimPrefix": func(cut, s string) string { return strings.TrimPrefix(s, cut) },
	"trimSuffix": func(cut, s string) string { return strings.TrimSuffix(s, cut) },
	"contains":   func(part, s string) bool { return strings.Contains(s, part) },
	"hasPrefix":  func(part, s string) bool { return strings.HasPrefix(s, part) },
	"hasSuffix":  func(part, s string) bool { return strings.HasSuffix(s, part) },
	"Replace":    replace,
	"replace":    func(from, to, s string) (string, error) { return replace(s, from, to, -1) },
	"repeat":     repeat,
	"trunc":      truncate,
	"substr":     substring,
	"alignLeft":  func(n int, s string) (string, error) { return align(n, s, true) },
	"alignRight": func(n int, s string) (string, error) { return align(n, s, false) },
	"default":    fallback,
	"b64enc":     encode,
	"b64dec":     decode,
	"urlencode":  escape,
	"urldecode":  url.QueryUnescape,
	"urlquery":   escape,
	"printf":     printf,

	"regexReplaceAll":        func(re, s, to string) (string, error) { return replaceAll(re, s, to, false) },
	"regexReplaceAllLiteral": func(re, s, to string) (string, error) { return replaceAll(re, s, to, true) },
	"count":                  count,

	"int": func(v any) (int, error) { f, err := float(v); return int(f), err }, "float64": float,
	"add": integers(func(a, b int) (int, error) { return a + b, nil }), "sub": integers(func(a, b int) (int, error) { return a - b, nil }),
	"mul": integers(func(a, b int) (int, error) { return a * b, nil }), "div": integers(divide), "mod": integers(modulo),
	"max": integers(func(a, b int) (int, error) { return max(a, b), nil }), "min": integers(func(a, b int) (int, error) { return min(a, b), nil }),
	"addf": floats(func(a, b float64) float64 { return a + b }), "subf": floats(func(a, b float64) float64 { return a - b }),
	"mulf": floats(func(a, b float64) float64 { return a * b }), "divf": floats(func(a, b float64) float64 { return a / b }),
	"maxf": floats(math.Max), "minf": floats(math.Min),
	"floor": func(v any) (float64, error) { f, err := float(v); return math.Floor(f), err },
	"ceil":  func(v any) (float64, error) { f, err := float(v); return math.Ceil(f), err },
	"round": round,

	"bytes":            func(s string) (float64, error) { return convert(s, Bytes) },
	"duration":         func(s string) (float64, error) { v, err := convert(s, Duration); return v / 1e9, err },
	"duration_seconds": func(s string) (float64, error) { v, err := convert(s, Duration); return v / 1e9, err },
	"date":             func(layout string, t time.Time) string { return t.Format(layout) },
	"toDate":           time.Parse,
	"unixEpoch":        func(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) },
	"unixEpochMillis":  func(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) },
	"unixEpochNanos":   func(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) },
	"unixToTime":       unixToTime,
}

// lineFunctions are those that look at the line.
func (f *format) lineFunctions() template.FuncMap {
	return template.FuncMap{
		"__line__":      func() string { return f.current.text },
		"__timestamp__": func() time.Time { return time.Unix(0, f.current.time).UTC() },
	}
}

func replace(s, from, to string, n int) (string, error) {
	times := strings.Count(s, from)
	if n >= 0 {
		times = min(times, n)
	}
	if len(s)+times*max(0, len(to)-len(from)) > MaxOutput {
		return "", errOutput
	}
	return strings.Replace(s, from, to, n), nil
}

func repeat(n int, s string) (string, error) {
	if n < 0 || n > MaxOutput || n*len(s) > MaxOutput {
		return "", errOutput
	}
	return strings.Repeat(s, n), nil
}

// truncate keeps the first n characters, or the last when n is negative.
func truncate(n int, s string) string {
	r := []rune(s)
	if n < 0 {
		return string(r[len(r)-min(len(r), -max(n, -len(r))):])
	}
	return string(r[:min(len(r), n)])
}

func substring(from, to int, s string) string {
	r := []rune(s)
	if to < 0 || to > len(r) {
		to = len(r)
	}
	return string(r[min(max(from, 0), to):to])
}

func align(n int, s string, left bool) (string, error) {
	if n < 0 || n > MaxOutput {
		return "", errOutput
	}
	have := utf8.RuneCountInString(s)
	switch {
	case have < n && left:
		return s + strings.Repeat(" ", n-have), nil
	case have < n:
		return strings.Repeat(" ", n-have) + s, nil
	case left:
		return truncate(n, s), nil
	}
	return substring(have-n, -1, s), nil
}

func fallback(other, s string) string {
	if s == "" {
		return other
	}
	return s
}

func encode(s string) (string, error) {
	if len(s) > MaxOutput/2 {
		return "", errOutput
	}
	return base64.StdEncoding.EncodeToString([]byte(s)), nil
}

func escape(s string) (string, error) {
	if len(s) > MaxOutput/3 {
		return "", errOutput
	}
	return url.QueryEscape(s), nil
}

func decode(s string) (string, error) {
	b, err := base64.StdEncoding.DecodeString(s)
	return string(b), err
}

var wide = regexp.MustCompile(`%[^a-zA-Z%]*(\*|\[|\d{4})`)

// printf is that of Go without widths of more than three digits or from arguments, which could make a text of any size.
func printf(layout string, args ...any) (string, error) {
	if wide.MatchString(layout) {
		return "", errors.New("printf with a width that is too large or not constant")
	}
	size := len(layout) + 2000*strings.Count(layout, "%")
	for _, a := range args {
		if s, ok := a.(string); ok {
			size += 4 * len(s) // %q at its worst
		}
	}
	if size > 4*MaxOutput {
		return "", errOutput
	}
	return fmt.Sprintf(layout, args...), nil
}

func replaceAll(expr, s, to string, literal bool) (string, error) {
	re, err := templateRegexp(expr)
	if err != nil {
		return "", err
	}
	var out []byte
	last := 0
	for _, m := range re.FindAllStringSubmatchIndex(s, -1) {
		out = append(out, s[last:m[0]]...)
		if literal {
			out = append(out, to...)
		} else {
			out = re.ExpandString(out, to, s, m)
		}
		if last = m[1]; len(out) > MaxOutput {
			return "", errOutput
		}
	}
	return string(append(out, s[last:]...)), nil
}

func count(expr, s string) (int, error) {
	re, err := templateRegexp(expr)
	if err != nil {
		return 0, err
	}
	return len(re.FindAllStringIndex(s, -1)), nil
}

// templateRegexp compiles an expression of a template. It is short, so that doing so for each line costs little.
func templateRegexp(expr string) (*regexp.Regexp, error) {
	if len(expr) > 256 {
		return nil, errors.New("a regular expression of more than 256 bytes in a template")
	}
	return compileRegexp(expr)
}

// float reads what a template calls with: a number, or a text with one.
func float(v any) (float64, error) {
	switch v := v.(type) {
	case int:
		return float64(v), nil
	case float64:
		return v, nil
	case string:
		return convert(strings.TrimSpace(v), Plain)
	}
	return 0, errNumber
}

func integers(f func(a, b int) (int, error)) func(first any, rest ...any) (int, error) {
	return func(first any, rest ...any) (int, error) {
		start, err := float(first)
		sum := int(start)
		for _, v := range rest {
			next, wrong := float(v)
			if err = errors.Join(err, wrong); err != nil {
				return 0, err
			}
			if sum, err = f(sum, int(next)); err != nil {
				return 0, err
			}
		}
		return sum, err
	}
}

func floats(f func(a, b float64) float64) func(first any, rest ...any) (float64, error) {
	return func(first any, rest ...any) (float64, error) {
		sum, err := float(first)
		for _, v := range rest {
			next, wrong := float(v)
			if err = errors.Join(err, wrong); err != nil {
				return 0, err
			}
			sum = f(sum, next)
		}
		return sum, err
	}
}

var errZero = errors.New("division by zero")

func divide(a, b int) (int, error) {
	if b == 0 {
		return 0, errZero
	}
	return a / b, nil
}

func modulo(a, b int) (int, error) {
	if b == 0 {
		return 0, errZero
	}
	return a % b, nil
}

// round rounds to so many digits after the point.
func round(v any, digits int) (float64, error) {
	f, err := float(v)
	scale := math.Pow10(min(max(digits, 0), 15))
	return math.Round(f*scale) / scale, err
}

// unixToTime reads seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by their number of digits.
func unixToTime(s string) (time.Time, error) {
	v, err := strconv.ParseInt(s, 10, 64)
	switch {
	case err != nil:
		return time.Time{}, errNumber
	case len(s) <= 11:
		return time.Unix(v, 0).UTC(), nil
	case len(s) <= 14:
		return time.UnixMilli(v).UTC(), nil
	case len(s) <= 17:
		return time.UnixMicro(v).UTC(), nil
	}
	return time.Unix(0, v).UTC(), nil
}
