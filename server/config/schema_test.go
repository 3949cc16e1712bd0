package config

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"testing"

	"go.yaml.in/yaml/v4"
)

// fits says whether a value fits a schema, for the words that our schema uses.
func fits(t *testing.T, schema map[string]any, v any) bool {
	t.Helper()
	for word, want := range schema {
		if !fitsWord(t, schema, word, want, v) {
			return false
		}
	}
	return true
}

func fitsWord(t *testing.T, schema map[string]any, word string, want, v any) bool {
	object, isObject := v.(map[string]any)
	switch word {
	case "$schema", "$id", "title", "description", "default", "properties":
		return true
	case "patternProperties": // looked at where the additional ones are
		return true
	case "type":
		types, isList := want.([]any)
		if !isList {
			types = []any{want}
		}
		return slices.Contains(types, any(typeOf(v))) || (typeOf(v) == "integer" && slices.Contains(types, any("number")))
	case "enum":
		return slices.Contains(want.([]any), v)
	case "const":
		return v == want
	case "pattern":
		text, ok := v.(string)
		return !ok || regexp.MustCompile(want.(string)).MatchString(text)
	case "minimum":
		n, ok := v.(int)
		return !ok || float64(n) >= want.(float64)
	case "minProperties":
		return !isObject || float64(len(object)) >= want.(float64)
	case "maxProperties":
		return !isObject || float64(len(object)) <= want.(float64)
	case "anyOf":
		return slices.ContainsFunc(want.([]any), func(s any) bool { return fits(t, s.(map[string]any), v) })
	case "items":
		list, _ := v.([]any)
		return !slices.ContainsFunc(list, func(item any) bool { return !fits(t, want.(map[string]any), item) })
	case "required":
		return !isObject || !slices.ContainsFunc(want.([]any), func(key any) bool { _, ok := object[key.(string)]; return !ok })
	case "additionalProperties":
		return fitsProperties(t, schema, object)
	}
	t.Fatalf("the schema has a word that this test does not know: %s", word)
	return false
}

func fitsProperties(t *testing.T, schema, object map[string]any) bool {
	properties, _ := schema["properties"].(map[string]any)
	others, isSchema := schema["additionalProperties"].(map[string]any)
	patterns, _ := schema["patternProperties"].(map[string]any)
	for key, value := range object {
		known, ok := properties[key].(map[string]any)
		switch {
		case ok && !fits(t, known, value), !ok && isSchema && !fits(t, others, value):
			return false
		case ok || isSchema:
			continue
		}
		matched := false
		for pattern := range patterns {
			matched = matched || regexp.MustCompile(pattern).MatchString(key)
		}
		if !matched {
			return false
		}
	}
	return true
}

func typeOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case int:
		return "integer"
	case float64:
		return "number"
	case string:
		return "string"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	}
	return fmt.Sprintf("%T", v)
}

func TestSchemaAgreesWithTheDecoder(t *testing.T) {
	text, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	check := func(name string, source []byte, want bool) {
		var value map[string]any
		if err := yaml.Unmarshal(source, &value); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := fits(t, schema, value); got != want {
			t.Errorf("%s fits the schema: %v, want %v", name, got, want)
		}
	}
	for _, name := range []string{"testdata/example.yaml", "starter.yaml", "testdata/odd.yaml"} {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		check(name, source, true)
	}
	const service = "services: {a: {endpoints: [http://a], "
	for source, want := range map[string]bool{
		"services: {a: {endpoints: [{url: http://a, weight: 2}], retry: off, timeout: {total: off}}}": true,
		service + "retry: {on: [502, connect]}}}":                                                     true,
		service + "health: {active: off, slow_start: off}, breaker: }}":                               true,
		"gateway: {listen: [':1', {address: ':2'}], token: {env: A}}":                                 true,
		"x-anything: {a: 1}":                        true,
		"y: 1":                                      false,
		"gateway: {lisen: ':1'}":                    false,
		"gateway: {token: abc}":                     false,
		"gateway: {token: {env: a, file: b}}":       false,
		"gateway: {drain: 20}":                      false,
		"gateway: {drain: soon}":                    false,
		"gateway: {max_body: 10}":                   false,
		service + "retry: on}}":                     false,
		service + "retry: {budget: 0.2}}}":          false,
		service + "retry: {attempts: 0}}}":          false,
		service + "balance: random}}":               false,
		"services: {a: {endpoints: [{weight: 1}]}}": false,
		service + "shed: {}}}":                      true,
		service + "cache: {}}}":                     false,
		"routes: [{name: x}]":                       false,
		"limits: {l: {requests: 100}}":              false,
		"limits: {l: {requests: 100/s, overrides: {a: {requests: 5/10s}}}}": true,
	} {
		check(source, []byte(source), want)
	}
}
