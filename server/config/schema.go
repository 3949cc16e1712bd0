package config

import (
	"encoding/json"
	"maps"
	"reflect"

	"go.yaml.in/yaml/v4"
)

// Schema is the JSON Schema (draft 2020-12) of the file, for editors. It knows the keys and the form of their values;
// what depends on other keys only [Parse] finds.
func Schema() ([]byte, error) {
	root := sectionSchema(reflect.TypeFor[File](), "")
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["$id"] = "https://gabion.io/schema/gabion.json"
	root["title"] = "gabion.yaml"
	root["patternProperties"] = map[string]any{"^x-": map[string]any{"description": "Ignored: a place for YAML anchors."}}
	text, err := json.MarshalIndent(root, "", "  ")
	return append(text, '\n'), err
}

// sectionSchema is the schema of a section. Its keys may all be commented out, which leaves null.
func sectionSchema(t reflect.Type, path string) map[string]any {
	properties := map[string]any{}
	var required []string
	for _, k := range keysBelow(t, path) {
		s := valueSchema(k.typ, k)
		s["description"] = k.Doc
		if f := fieldOf(t, k.Name); f.def != "" && k.Keys == nil && sibling(f, fieldsOf(t)) == nil {
			var value any
			if yaml.Unmarshal([]byte(f.def), &value) == nil {
				s["default"] = value
			}
		}
		properties[k.Name] = s
		if k.Required && t != reflect.TypeFor[Service]() { // services of other kinds have no endpoints
			required = append(required, k.Name)
		}
	}
	s := map[string]any{"type": []string{"object", "null"}, "properties": properties, "additionalProperties": false}
	if required != nil {
		s["type"], s["required"] = "object", required
	}
	return s
}

func fieldOf(t reflect.Type, key string) field {
	for _, f := range fieldsOf(t) {
		if f.key == key {
			return f
		}
	}
	return field{}
}

// valueSchema is the schema of a value. k is the key that it is for.
func valueSchema(t reflect.Type, k *Key) map[string]any {
	if t == secretType {
		s := sectionSchema(t, k.Path)
		s["type"], s["minProperties"], s["maxProperties"] = "object", 1, 1
		return s
	}
	if t == linkType {
		return anyOf(valueSchema(secretType, k), map[string]any{"type": "string"})
	}
	if section, isPolicy := sectionOf(t); section.Kind() == reflect.Struct && !isText(section) {
		s := sectionSchema(section, k.Path)
		if isPolicy {
			return anyOf(s, map[string]any{"const": "off"})
		}
		if short[section] != "" {
			return anyOf(s, map[string]any{"type": "string"})
		}
		return s
	}
	switch {
	case t.Kind() == reflect.Slice && !isText(t):
		list := map[string]any{"type": []string{"array", "null"}, "items": valueSchema(t.Elem(), k)}
		if single[t] {
			return anyOf(list, valueSchema(t.Elem(), k))
		}
		return list
	case t.Kind() == reflect.Map:
		below := *k
		below.Path += ".*"
		return map[string]any{"type": []string{"object", "null"}, "additionalProperties": valueSchema(t.Elem(), &below)}
	case len(k.Allowed) > 0:
		return map[string]any{"enum": k.Allowed}
	}
	return scalarSchema(t, k)
}

func scalarSchema(t reflect.Type, k *Key) map[string]any {
	s := map[string]any{}
	maps.Copy(s, kindOf(t).schema)
	if t.Kind() == reflect.Int {
		s["minimum"] = 1
		if k.Name == "min" {
			s["minimum"] = 0
		}
	}
	if k.Off {
		return anyOf(s, map[string]any{"const": "off"})
	}
	return s
}

func anyOf(choices ...map[string]any) map[string]any { return map[string]any{"anyOf": choices} }
