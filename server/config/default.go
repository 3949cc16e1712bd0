package config

import (
	"reflect"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/retry"
	"go.yaml.in/yaml/v4"
)

// defaults fills what was not given with the defaults of the tags, so that whoever reads the file's types finds plain
// values. It fails on a tag only when the tag is wrong, which a test excludes.
func (d *decoder) defaults(v reflect.Value, path string) {
	if p, ok := reflect.TypeAssert[policy](v.Addr()); ok {
		off, section := p.section()
		if !*off {
			d.defaults(section, path)
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			d.defaults(v.Elem(), path)
		}
	case reflect.Slice:
		for i := range v.Len() {
			d.defaults(v.Index(i), item(path, i))
		}
	case reflect.Map:
		d.mapDefaults(v, path)
	case reflect.Struct:
		if !isText(v.Type()) {
			d.sectionDefaults(v, path)
		}
	}
}

func (d *decoder) mapDefaults(v reflect.Value, path string) {
	if v.Type().Elem().Kind() != reflect.Struct {
		return
	}
	for _, key := range v.MapKeys() {
		elem := reflect.New(v.Type().Elem()).Elem()
		elem.Set(v.MapIndex(key))
		d.defaults(elem, join(path, key.String()))
		v.SetMapIndex(key, elem)
	}
}

func (d *decoder) sectionDefaults(v reflect.Value, path string) {
	fields := fieldsOf(v.Type())
	for _, f := range fields {
		at := join(path, f.key)
		target := v.FieldByIndex(f.index)
		if n := d.given[at]; f.def != "" && (n == nil || d.bad[at] || n.kind == nullNode) {
			setDefault(target, f, fields)
		}
		d.defaults(target, at)
	}
	for _, f := range fields { // defaults that are another key's value, now that it is known
		at := join(path, f.key)
		if other := sibling(f, fields); other != nil && (d.given[at] == nil || d.bad[at]) {
			v.FieldByIndex(f.index).Set(v.FieldByIndex(other.index))
		}
	}
	fit(v, func(key string) bool { return d.given[join(path, key)] != nil })
}

// sibling is the field whose value is the default of f, nil when the default is a value.
func sibling(f field, fields []field) *field {
	for i := range fields {
		if fields[i].key == f.def && fields[i].typ == f.typ {
			return &fields[i]
		}
	}
	return nil
}

// setDefault puts the default of f into v.
func setDefault(v reflect.Value, f field, fields []field) {
	if sibling(f, fields) != nil {
		return
	}
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(f.def), &doc); err != nil || len(doc.Content) != 1 {
		panic("config: default " + f.def + " of " + f.key + " is not YAML")
	}
	r := &report{}
	d := &decoder{report: r, given: map[string]*node{}, bad: map[string]bool{}}
	t := &tree{report: r, src: newSource(OriginDefault, "default", f.def, 0)}
	f.zero = true
	d.value(t.build(doc.Content[0], 0), v, f.key, f)
	if len(r.problems) > 0 {
		panic("config: default " + f.def + " of " + f.key + ": " + r.problems[0].Message)
	}
}

// within are pairs of values of which the first must not be more than the second: when the first is a default,
// it gives way to a second that was written.
var within = []struct {
	section     reflect.Type
	inner, most string
}{
	{reflect.TypeFor[Timeout](), "attempt", "total"},
	{reflect.TypeFor[Timeout](), "connect", "attempt"},
	{reflect.TypeFor[Timeout](), "connect", "total"},
	{reflect.TypeFor[ActiveHealth](), "timeout", "interval"},
	{reflect.TypeFor[retry.Backoff](), "initial", "max"},
	{reflect.TypeFor[Series](), "per_service", "total"},
	{reflect.TypeFor[Series](), "per_metric", "total"},
}

// fit shortens defaults that would contradict what was written beside them.
func fit(v reflect.Value, given func(key string) bool) {
	for _, pair := range within {
		if pair.section != v.Type() || given(pair.inner) {
			continue
		}
		inner, most := byKey(v, pair.inner), byKey(v, pair.most)
		if most.Int() != gabion.Off && most.Int() > 0 && inner.Int() > most.Int() {
			inner.SetInt(most.Int())
		}
	}
}

// byKey is the field of a section with this key.
func byKey(v reflect.Value, key string) reflect.Value {
	for _, f := range fieldsOf(v.Type()) {
		if f.key == key {
			return v.FieldByIndex(f.index)
		}
	}
	panic("config: no key " + key + " in " + v.Type().String())
}
