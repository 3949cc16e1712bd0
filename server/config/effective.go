package config

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gabion-io/gabion"
	"go.yaml.in/yaml/v4"
)

// shown is a value on its way out.
type shown struct {
	key  string
	path string
	// text is a single value as YAML; value the same for JSON. Both are empty for sections and lists of sections.
	text  string
	value any
	kids  []shown
	list  bool
}

// effective is the tree of all values that the configuration has.
func (l *Loaded) effective() []shown {
	return section(reflect.ValueOf(&l.File).Elem(), "")
}

// section shows the keys of a section that have a value.
func section(v reflect.Value, path string) []shown {
	var all []shown
	service, isService := reflect.TypeAssert[Service](v)
	for _, f := range fieldsOf(v.Type()) {
		if isService && service.Kind != kindHTTP && !slices.Contains(unrouted, f.key) {
			continue
		}
		if s, ok := show(v.FieldByIndex(f.index), join(path, f.key), f); ok {
			s.key = f.key
			all = append(all, s)
		}
	}
	return all
}

// show shows a value; ok is false when there is none.
func show(v reflect.Value, path string, f field) (s shown, ok bool) {
	s.path = path
	if p, isPolicy := reflect.TypeAssert[policy](v.Addr()); isPolicy {
		off, config := p.section()
		if *off {
			s.text, s.value = "off", "off"
			return s, true
		}
		s.kids = section(config, path)
		return s, true
	}
	switch t := v.Type(); {
	case t == secretType:
		secret := v.Interface().(Secret)
		if secret.IsZero() {
			return s, false
		}
		s.kids = section(v, path)
		return s, true
	case t == linkType && v.FieldByName("Text").String() != "":
		s.value, s.text = plainValue(v.FieldByName("Text"))
		return s, true
	case t.Kind() == reflect.Pointer:
		if v.IsNil() {
			return s, false
		}
		return show(v.Elem(), path, f)
	case t.Kind() == reflect.Interface:
		if v.IsNil() {
			return s, false
		}
		s.value, s.text = v.Interface(), asJSON(v.Interface())
		return s, true
	case t.Kind() == reflect.Map:
		return showMap(v, path, f)
	case t.Kind() == reflect.Slice:
		return showList(v, path, f)
	case t.Kind() == reflect.Struct && !isText(t):
		s.kids = section(v, path)
		return s, len(s.kids) > 0
	}
	if v.IsZero() && !f.zero && v.Kind() != reflect.Bool {
		return s, false
	}
	s.value, s.text = plainValue(v)
	return s, true
}

func showMap(v reflect.Value, path string, f field) (s shown, ok bool) {
	s.path = path
	for _, name := range sortedKeys(v) {
		elem := reflect.New(v.Type().Elem()).Elem()
		elem.Set(v.MapIndex(reflect.ValueOf(name)))
		kid, shownKid := show(elem, join(path, name), field{zero: true, typ: f.typ})
		if shownKid {
			kid.key = name
			s.kids = append(s.kids, kid)
		}
	}
	return s, len(s.kids) > 0
}

func sortedKeys(v reflect.Value) []string {
	names := map[string]bool{}
	for _, k := range v.MapKeys() {
		names[k.String()] = true
	}
	return sorted(names)
}

func showList(v reflect.Value, path string, f field) (s shown, ok bool) {
	s.path = path
	if v.IsNil() {
		return s, false
	}
	s.list = true
	flow, values := []string{}, []any{}
	for i := range v.Len() {
		kid, _ := show(v.Index(i), item(path, i), field{zero: true, typ: f.typ})
		s.kids = append(s.kids, kid)
		if _, err := strconv.ParseUint(fmt.Sprint(kid.value), 10, 32); err == nil {
			kid.text = fmt.Sprint(kid.value) // a status reads better without quotes
		}
		flow, values = append(flow, kid.text), append(values, kid.value)
	}
	if !isSection(v.Type().Elem()) {
		s.kids, s.text, s.value = nil, "["+strings.Join(flow, ", ")+"]", values
	}
	if len(s.kids) == 0 && s.text == "" {
		s.text, s.value = "[]", values
	}
	return s, true
}

// plainValue is a single value for JSON and for YAML.
func plainValue(v reflect.Value) (value any, text string) {
	switch x := v.Interface().(type) {
	case time.Duration:
		text = durationText(x)
	case int:
		if x == gabion.Off {
			return "off", "off"
		}
		return x, itoa(x)
	case bool:
		return x, strconv.FormatBool(x)
	case gabion.Share:
		text = x.String()
		if x == gabion.Off {
			text = "off"
		}
	case string:
		return x, quote(x)
	default:
		text = fmt.Sprint(x)
	}
	return text, text
}

// durationText writes a duration without the zeros that Go puts at its end: 2m, not 2m0s. Whole days, from two on, are
// written as such.
func durationText(d time.Duration) string {
	if d == gabion.Off {
		return "off"
	}
	for _, u := range longUnits {
		if u.name != "w" && d >= 2*day && d%u.unit == 0 {
			return strconv.FormatInt(int64(d/u.unit), 10) + u.name
		}
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

var plainText = regexp.MustCompile(`^[A-Za-z0-9/._]([A-Za-z0-9/._:@%+*=~-]*[A-Za-z0-9/._@%+*=~-])?$`)

// quote writes a text so that YAML reads the same.
func quote(s string) string {
	switch strings.ToLower(s) {
	case "true", "false", "yes", "no", "on", "off", "y", "n", "null":
		return asJSON(s)
	}
	var n yaml.Node
	if !plainText.MatchString(s) || yaml.Unmarshal([]byte(s), &n) != nil || n.Content[0].Kind != yaml.ScalarNode || n.Content[0].ShortTag() != "!!str" {
		return asJSON(s)
	}
	return s
}

// quoteKey is [quote] for keys. "on" is a key of the file, and needs no quotes here.
func quoteKey(key string) string {
	if key == "on" {
		return key
	}
	return quote(key)
}

// asJSON writes a value as JSON, which is YAML too.
func asJSON(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return `"` + err.Error() + `"` // only values that came out of YAML are shown, and they can be encoded
	}
	return strings.TrimSpace(b.String())
}

// WriteYAML writes the effective configuration, with the origin of each value behind it. Secrets are shown as their
// references. The output is a valid configuration with the same meaning.
func (l *Loaded) WriteYAML(w io.Writer) error {
	var lines []line
	l.lines(&lines, l.effective(), 0)
	width := 0
	for _, line := range lines {
		if n := utf8.RuneCountInString(line.text); n <= 60 && line.origin != "" {
			width = max(width, n)
		}
	}
	for _, line := range lines {
		text := line.text
		if line.origin != "" {
			text += strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text))) + "  # " + line.origin
		}
		if _, err := io.WriteString(w, text+"\n"); err != nil {
			return err
		}
	}
	return nil
}

type line struct{ text, origin string }

func (l *Loaded) lines(out *[]line, all []shown, depth int) {
	lead := strings.Repeat("  ", depth)
	for _, s := range all {
		head := lead + quoteKey(s.key) + ":"
		switch {
		case s.text != "":
			*out = append(*out, line{head + " " + s.text, l.Origin(s.path).String()})
		case s.list:
			*out = append(*out, line{text: head})
			for _, kid := range s.kids {
				start := len(*out)
				l.lines(out, kid.kids, depth+2)
				first := &(*out)[start]
				first.text = lead + "  - " + strings.TrimLeft(first.text, " ")
			}
		default:
			*out = append(*out, line{text: head})
			l.lines(out, s.kids, depth+1)
		}
	}
}

// Values is the effective configuration as plain values, for JSON.
func (l *Loaded) Values() map[string]any { return values(l.effective()) }

func values(all []shown) map[string]any {
	m := map[string]any{}
	for _, s := range all {
		m[s.key] = s.plain()
	}
	return m
}

func (s shown) plain() any {
	switch {
	case s.text != "":
		return s.value
	case s.list:
		items := []any{}
		for _, kid := range s.kids {
			items = append(items, values(kid.kids))
		}
		return items
	default:
		return values(s.kids)
	}
}

// Origins says where each single value came from, by its path.
func (l *Loaded) Origins() map[string]Origin {
	origins := map[string]Origin{}
	var walk func(all []shown)
	walk = func(all []shown) {
		for _, s := range all {
			if s.text != "" {
				origins[s.path] = l.Origin(s.path)
			}
			walk(s.kids)
		}
	}
	walk(l.effective())
	return origins
}

// canonical is the same for configurations that mean the same.
func (l *Loaded) canonical() []byte { return []byte(asJSON(l.Values())) }
