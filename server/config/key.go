package config

import (
	"reflect"
	"strings"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/hedge"
	"github.com/gabion-io/gabion/ratelimit"
)

// Key is everything that is known about a key of the file.
type Key struct {
	// Path has "*" for the names of a section of names and for the items of a list: "services.*.breaker.window".
	Path string `json:"path"`
	// Name is the last word of Path.
	Name string `json:"name"`
	// Doc says what the key means.
	Doc string `json:"doc"`
	// Type says what it takes, such as "a size such as 64KiB or 10MiB".
	Type string `json:"type"`
	// Default is as it would be written in the file, or in words; "" when the key is a section, whose keys have
	// defaults of their own.
	Default string `json:"default,omitempty"`
	// Allowed are the values of a key that takes one of a few.
	Allowed []string `json:"allowed,omitempty"`
	// Required is set when the key must not be left out. Off is set when it can be "off".
	Required bool `json:"required,omitempty"`
	Off      bool `json:"off,omitempty"`
	// Example is a value as it would be written in the file; "" for sections.
	Example string `json:"example,omitempty"`
	// Variable is the environment variable that sets the key; "" when none does.
	Variable string `json:"variable,omitempty"`
	// Keys are those of a section.
	Keys []*Key `json:"keys,omitempty"`

	typ reflect.Type
	// inWords is set when Default is not what one would write.
	inWords bool
}

// AllKeys returns the tree of all keys.
func AllKeys() []*Key { return keysBelow(reflect.TypeFor[File](), "") }

// kind is what is known about the values of a type.
type kind struct {
	what, example string
	// schema is their JSON Schema.
	schema map[string]any
}

func textKind(what, example, pattern string) kind {
	return kind{what, example, map[string]any{"type": "string", "pattern": pattern}}
}

const durationPattern = `([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+`

var kinds = map[reflect.Type]kind{
	durationType: textKind("a duration such as 300ms, 10s, 2m or 15d", "10s",
		`^(([0-9]+y)?([0-9]+w)?([0-9]+d)?(`+durationPattern+`)?|0)$`),
	reflect.TypeFor[gabion.Share](): textKind("a share such as 20%", "20%",
		`^[0-9]+(\.[0-9]*)? ?%$`),
	reflect.TypeFor[Size](): textKind("a size such as 64KiB or 10MiB", "10MiB",
		`^[0-9]+(\.[0-9]*)? ?([TGMK]iB|[TGMkK]?B)$`),
	reflect.TypeFor[ratelimit.Rate](): textKind("a number in a time, such as 100/s or 60/m", "100/s",
		`^[0-9]+ ?/ ?(ns|us|µs|ms|s|m|h|`+durationPattern+`)$`),
	reflect.TypeFor[ByteRate](): textKind("a size in a time, such as 4MiB/s or 1GiB/h", "4MiB/s",
		`^[0-9]+(\.[0-9]*)? ?([TGMK]iB|[TGMkK]?B) ?/ ?(ns|us|µs|ms|s|m|h|`+durationPattern+`)$`),
	reflect.TypeFor[ratelimit.Quota](): textKind("a time in a time, such as 2s/10s", "2s/10s",
		`^`+durationPattern+` ?/ ?(ns|us|µs|ms|s|m|h|`+durationPattern+`)$`),
	reflect.TypeFor[hedge.After](): textKind("a duration, or a quantile such as p95", "p95",
		`^(`+durationPattern+`|p[0-9]+(\.[0-9]*)?)$`),
	reflect.TypeFor[Prefix](): textKind("a network such as 10.0.0.0/8", "10.0.0.0/8", `^[0-9a-fA-F.:]+(/[0-9]+)?$`),
	linkType:                  {"a URL, or a reference to one that is secret: {env: NAME} or {file: PATH}", "http://127.0.0.1:9200/hook", nil},
	secretType:                {"a reference to a secret: {env: NAME} or {file: PATH}", "{env: GABION_TOKEN}", nil},
}

// kindOf describes the values of a type.
func kindOf(t reflect.Type) kind {
	if k, ok := kinds[t]; ok {
		return k
	}
	if section, isPolicy := sectionOf(t); section.Kind() == reflect.Struct {
		what := "a section"
		if isPolicy {
			what = "a section, or off"
		}
		if key := short[section]; key != "" {
			what = "a section, or its " + key + " alone"
		}
		return kind{what: what}
	}
	switch t.Kind() {
	case reflect.Bool:
		return kind{"true or false", "true", map[string]any{"type": "boolean"}}
	case reflect.Int:
		return kind{"a whole number", "5", map[string]any{"type": "integer"}}
	case reflect.Interface:
		return kind{"any value", "", map[string]any{}}
	case reflect.Slice:
		if single[t] {
			return kind{what: kindOf(t.Elem()).what + ", or a list of these"}
		}
		return kind{what: "a list; each item is " + kindOf(t.Elem()).what}
	case reflect.Map:
		return kind{what: "names; below each is " + kindOf(t.Elem()).what}
	default: // strings. YAML's numbers and booleans are read as they are written.
		return kind{"a text", "", map[string]any{"type": []any{"string", "number", "boolean"}}}
	}
}

// examples are values for keys of the kit whose default, off, is none.
var examples = map[string]string{
	"services.*.breaker.slow_call":   "300ms",
	"services.*.breaker.consecutive": "5",
	"services.*.bulkhead.queue":      "100",
	"services.*.shed.mode":           "adaptive",
}

// keysBelow makes the keys of a section.
func keysBelow(t reflect.Type, path string) []*Key {
	var keys []*Key
	for _, f := range fieldsOf(t) {
		at := strings.TrimPrefix(path+"."+f.key, ".")
		k := &Key{
			Path: at, Name: f.key, Doc: f.doc, Type: describe(f.typ, f), Default: f.def, Allowed: f.enum,
			Required: f.required, Off: f.off, Example: f.example, typ: f.typ,
		}
		if f.def == "" {
			k.Default, k.inWords = f.derived, true
		}
		if strings.HasSuffix(path, ".tiers.*") || strings.HasSuffix(path, ".overrides.*") {
			k.Default = "that of the limit"
		}
		k.complete(f)
		keys = append(keys, k)
	}
	return keys
}

func (k *Key) complete(f field) {
	section, isPolicy := sectionOf(f.typ)
	k.Off = k.Off || isPolicy
	below := k.Path
	if section.Kind() == reflect.Slice || section.Kind() == reflect.Map {
		section, _ = sectionOf(section.Elem())
		below += ".*"
	}
	if section.Kind() == reflect.Struct && !isText(section) {
		k.Keys = keysBelow(section, below)
	}
	if k.Example == "" && (k.Keys == nil || k.typ == secretType || f.def != "") && !isPolicy {
		k.Example = k.defaultExample()
	}
	for _, path := range settable() {
		if path == k.Path {
			k.Variable = variable(path)
		}
	}
}

func (k *Key) defaultExample() string {
	if e := examples[k.Path]; e != "" {
		return e
	}
	fits := !k.inWords && k.Default != "" && k.Default != "off"
	if fits && kindOf(k.typ).example == "" {
		return k.Default
	}
	if _, isKind := kinds[k.typ]; fits && (!isKind || strings.ContainsAny(k.Default, "0123456789")) {
		return k.Default
	}
	return kindOf(k.typ).example
}
