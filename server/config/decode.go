package config

import (
	"fmt"
	"reflect"
	"strings"
	"unicode"
)

// decoder puts nodes into the types of the file. It goes on after a problem, so that all of them are found.
type decoder struct {
	*report
	// given is every value that was written, by its path, whether it could be read or not; bad are those that could not.
	given map[string]*node
	bad   map[string]bool
}

// join makes the path of a key of a section.
func join(path, key string) string {
	if strings.IndexFunc(key, func(r rune) bool { return r == '.' || r == '[' || r == '"' || unicode.IsSpace(r) }) >= 0 {
		key = fmt.Sprintf("[%q]", key)
		return path + key
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

func item(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

// problem notes that the value at path is wrong.
func (d *decoder) problem(n *node, path, format string, args ...any) *Problem {
	d.bad[path] = true
	return d.add(n.where(), path, format, args...)
}

// wrongType notes that a value is of another kind than its key takes.
func (d *decoder) wrongType(n *node, path, want string) *Problem {
	got := "a value"
	switch n.kind {
	case nullNode:
		return d.problem(n, path, "%s has no value; it takes %s", path, want)
	case listNode:
		got = "a list"
	case mapNode:
		got = "a section"
	case scalarNode:
		got = fmt.Sprintf("%q", clip(n.text))
	}
	return d.problem(n, path, "%s takes %s, not %s", path, want, got)
}

// clip shortens a value for a message.
func clip(s string) string { return shorten(s, 60) }

func shorten(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// value decodes n into v as f says.
func (d *decoder) value(n *node, v reflect.Value, path string, f field) {
	d.given[path] = n
	if p, ok := reflect.TypeAssert[policy](v.Addr()); ok {
		d.policy(n, p, path)
		return
	}
	switch t := v.Type(); {
	case t == secretType:
		d.secret(n, v, path)
	case t == linkType:
		d.link(n, v, path)
	case t.Kind() == reflect.Pointer:
		if n.kind == nullNode {
			return
		}
		v.Set(reflect.New(t.Elem()))
		d.value(n, v.Elem(), path, f)
	case t.Kind() == reflect.Interface:
		v.Set(reflect.ValueOf(free(n)))
	case isText(t), t.Kind() != reflect.Struct && t.Kind() != reflect.Slice && t.Kind() != reflect.Map:
		d.scalar(n, v, path, f)
	case t.Kind() == reflect.Struct:
		d.structure(n, v, path)
	case t.Kind() == reflect.Slice:
		d.list(n, v, path, f)
	default:
		d.mapping(n, v, path, f)
	}
}

// policy decodes a policy's section, or "off".
func (d *decoder) policy(n *node, p policy, path string) {
	off, section := p.section()
	switch {
	case n.kind == scalarNode && n.text == "off":
		*off = true
	case n.kind == scalarNode || n.kind == listNode:
		d.wrongType(n, path, "a section or off").allow(keysOf(section.Type())...)
	default:
		d.structure(n, section, path)
	}
}

// structure decodes a section. An empty one is as good as none.
func (d *decoder) structure(n *node, v reflect.Value, path string) {
	if key := short[v.Type()]; key != "" && n.kind == scalarNode {
		d.alone(n, v, path, key)
		return
	}
	if n.kind == nullNode {
		return
	}
	if n.kind == scalarNode && n.text == "stale" && v.Type() == reflect.TypeFor[Fallback]() {
		d.problem(n, path, "%s: fallback stale needs the cache, which is not available yet in this version of Gabion", path)
		return
	}
	if n.kind != mapNode {
		d.wrongType(n, path, "a section").allow(keysOf(v.Type())...)
		return
	}
	fields := fieldsOf(v.Type())
	for _, value := range n.items {
		d.key(value, v, fields, path)
	}
}

// key decodes one key of a section.
func (d *decoder) key(value *node, v reflect.Value, fields []field, path string) {
	name := value.key.text
	if path == "" && strings.HasPrefix(name, "x-") { // a place for anchors
		return
	}
	for _, f := range fields {
		if f.key == name {
			d.value(value, v.FieldByIndex(f.index), join(path, name), f)
			return
		}
	}
	d.unknown(value, v.Type(), fields, path)
}

func (d *decoder) unknown(value *node, t reflect.Type, fields []field, path string) {
	name, full := value.key.text, join(path, value.key.text)
	in := "at the top"
	if path != "" {
		in = "in " + path
	}
	d.bad[full] = true
	if isPlanned(t, name) {
		d.add(value.key.at, full, "%s is not available yet in this version of Gabion", full)
		return
	}
	var keys []string
	for _, f := range fields {
		keys = append(keys, f.key)
	}
	p := d.add(value.key.at, full, "unknown key %q %s", clip(name), in).allow(keys...).suggest(name, keys)
	if p.Suggestion != "" {
		return
	}
	for _, f := range fields { // perhaps it belongs one level down
		section, _ := sectionOf(f.typ)
		if section.Kind() != reflect.Struct || isText(section) {
			continue
		}
		for _, inner := range keysOf(section) {
			if inner == name {
				p.Suggestion = fmt.Sprintf("%q", f.key+"."+inner)
				return
			}
		}
	}
}

// alone decodes a single value that stands for a section with one key.
func (d *decoder) alone(n *node, v reflect.Value, path, key string) {
	for _, f := range fieldsOf(v.Type()) {
		if f.key == key {
			d.value(n, v.FieldByIndex(f.index), join(path, key), f)
		}
	}
	d.given[path] = n
}

func (d *decoder) list(n *node, v reflect.Value, path string, f field) {
	switch {
	case n.kind == nullNode:
		return
	case n.kind == listNode:
	case single[v.Type()]:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		d.element(n, v.Index(0), item(path, 0), f)
		d.given[path] = n
		return
	default:
		d.wrongType(n, path, "a list")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.items), len(n.items)))
	for i, value := range n.items {
		d.element(value, v.Index(i), item(path, i), f)
	}
}

func (d *decoder) element(n *node, v reflect.Value, path string, f field) {
	d.value(n, v, path, field{key: f.key, typ: v.Type(), enum: f.enum, example: f.example})
}

func (d *decoder) mapping(n *node, v reflect.Value, path string, f field) {
	if n.kind == nullNode {
		return
	}
	if n.kind != mapNode {
		d.wrongType(n, path, "a section of names")
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for _, value := range n.items {
		elem := reflect.New(v.Type().Elem()).Elem()
		d.element(value, elem, join(path, value.key.text), f)
		v.SetMapIndex(reflect.ValueOf(value.key.text), elem)
	}
}

// secret decodes a reference. A literal value is refused and hidden.
func (d *decoder) secret(n *node, v reflect.Value, path string) {
	if n.kind == mapNode {
		d.reference(n, v, path)
		return
	}
	n.at.src.hide(n.at)
	if n.kind == nullNode {
		d.problem(n, path, "%s has no value; it takes a reference", path).allow("{env: NAME}", "{file: PATH}")
		return
	}
	d.problem(n, path, "%s takes a reference to a secret, never the secret itself: this file is copied, printed and committed", path).
		allow("{env: NAME}", "{file: PATH}")
}

// link decodes a URL, or a reference to one.
func (d *decoder) link(n *node, v reflect.Value, path string) {
	switch n.kind {
	case mapNode:
		d.reference(n, v.FieldByName("Secret"), path)
	case scalarNode:
		v.FieldByName("Text").SetString(n.text)
	default:
		d.wrongType(n, path, describe(linkType, field{}))
	}
}

func (d *decoder) reference(n *node, v reflect.Value, path string) {
	for _, value := range n.items {
		if k := value.key.text; (k != "env" && k != "file") || value.kind != scalarNode {
			value.at.src.hide(value.at)
		}
	}
	before := len(d.problems)
	fields := fieldsOf(secretType)
	for _, value := range n.items {
		d.key(value, v, fields, path)
	}
	s := v.Interface().(Secret)
	if len(d.problems) == before && (s.Env == "") == (s.File == "") {
		d.problem(n, path, "%s takes one of env and file", path).allow("{env: NAME}", "{file: PATH}")
	}
}
