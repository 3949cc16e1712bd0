package config

import (
	"encoding"
	"reflect"
	"strings"
	"sync"
	"time"
)

// field is what the tags and comments of a struct's field say about its key.
type field struct {
	key   string
	index []int
	typ   reflect.Type
	// def is the default as it would be written in the file, "" when there is none. Where it is the name of another
	// key of the same section, that key's value is the default.
	def string
	// derived says in words what holds when the key is left out and def cannot say it.
	derived string
	enum    []string
	// off and zero say whether "off" and an explicit 0 are allowed.
	off, zero bool
	// example is a value for documentation.
	example string
	// required is set when it must not be left out.
	required bool
	doc      string
}

// otherwise is what holds here for keys of the kit whose default there is another.
var otherwise = map[string]string{
	"shed.Config.Mode":     "adaptive; pool with concurrency",
	"shed.Config.Deadline": "the total timeout of the service",
}

var fieldCache sync.Map // reflect.Type → []field

// fieldsOf lists the keys of a section, those of inlined structs in their place.
func fieldsOf(t reflect.Type) []field {
	if known, ok := fieldCache.Load(t); ok {
		return known.([]field)
	}
	var all []field
	for sf := range t.Fields() {
		key, options, _ := strings.Cut(sf.Tag.Get("yaml"), ",")
		if options == "inline" {
			for _, inner := range fieldsOf(sf.Type) {
				inner.index = append([]int{sf.Index[0]}, inner.index...)
				all = append(all, inner)
			}
			continue
		}
		if key == "" || key == "-" || !sf.IsExported() {
			continue
		}
		f := field{
			key: key, index: sf.Index, typ: sf.Type,
			def: sf.Tag.Get("default"), derived: sf.Tag.Get("derived"), example: sf.Tag.Get("example"),
			off: sf.Tag.Get("off") == "true", zero: sf.Tag.Get("zero") == "true", required: sf.Tag.Get("required") == "true",
			doc: meanings[typeName(t)+"."+sf.Name],
		}
		if other, ok := otherwise[typeName(t)+"."+sf.Name]; ok {
			f.def, f.derived = "", other
		}
		if enum := sf.Tag.Get("enum"); enum != "" {
			f.enum = strings.Split(enum, ",")
		}
		all = append(all, f)
	}
	fieldCache.Store(t, all)
	return all
}

// typeName is the name of a struct as the comments' generator knows it, such as "breaker.Config".
func typeName(t reflect.Type) string {
	return t.PkgPath()[strings.LastIndexByte(t.PkgPath(), '/')+1:] + "." + t.Name()
}

// keysOf lists the names of the keys of a section.
func keysOf(t reflect.Type) []string {
	var keys []string
	for _, f := range fieldsOf(t) {
		keys = append(keys, f.key)
	}
	return keys
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	secretType   = reflect.TypeFor[Secret]()
	linkType     = reflect.TypeFor[Link]()
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
	policyType   = reflect.TypeFor[policy]()
)

// isText says whether values of the type are read by its own UnmarshalText.
func isText(t reflect.Type) bool { return reflect.PointerTo(t).Implements(textType) }

// sectionOf returns the struct of a policy's section; t itself for other types. Pointers are followed.
func sectionOf(t reflect.Type) (section reflect.Type, isPolicy bool) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if reflect.PointerTo(t).Implements(policyType) {
		_, config := reflect.New(t).Interface().(policy).section()
		return config.Type(), true
	}
	return t, false
}

// isSection says whether values of the type are a section with keys of its own.
func isSection(t reflect.Type) bool {
	s, _ := sectionOf(t)
	return s.Kind() == reflect.Struct && !isText(s)
}

// short is the key that a single value stands for, in types that may be written as one.
var short = map[reflect.Type]string{
	reflect.TypeFor[Endpoint](): "url",
	reflect.TypeFor[Listener](): "address",
}

// single holds the list types that may be written as a single item.
var single = map[reflect.Type]bool{
	reflect.TypeFor[Listeners](): true,
	reflect.TypeFor[Keys]():      true,
}
