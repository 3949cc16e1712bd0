package config

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/gabion-io/gabion"
)

func TestEveryKeyIsDocumented(t *testing.T) {
	keys := Flatten(AllKeys())
	if len(keys) < 90 {
		t.Fatalf("there are only %d keys", len(keys))
	}
	for _, k := range keys {
		if k.Doc == "" || !strings.HasSuffix(k.Doc, ".") {
			t.Errorf("%s has no comment of whole sentences: %q", k.Path, k.Doc)
		}
		if k.Default == "" && !k.Required && k.Keys == nil {
			t.Errorf("%s has neither a default, nor the tag derived to say what holds without it, nor the tag required", k.Path)
		}
		if k.Example == "" && k.Keys == nil {
			t.Errorf("%s has no example", k.Path)
		}
		if k.Type == "" {
			t.Errorf("%s does not say what it takes", k.Path)
		}
	}
}

// Every example must be read without a problem of form. (A single key misses what it refers to.)
func TestExamplesCanBeRead(t *testing.T) {
	for _, k := range Flatten(AllKeys()) {
		file := k.ExampleFile()
		d := &decoder{report: &report{}, given: map[string]*node{}, bad: map[string]bool{}}
		root := parseTree(d.report, newSource(OriginFile, "example", file, 0), []byte(file))
		if root != nil {
			d.structure(root, reflect.ValueOf(&File{}).Elem(), "")
		}
		if found := d.found(); len(found) > 0 {
			t.Errorf("example of %s:\n%s\n%v", k.Path, file, found)
		}
		found := false
		for path := range d.given {
			found = found || slices.Contains(pathsOf(path), k.Path)
		}
		if !found {
			t.Errorf("example of %s does not set it:\n%s", k.Path, file)
		}
	}
}

// pathsOf is a path of a value as the path of a key.
func pathsOf(path string) []string {
	keys, err := Find(path)
	if err != nil {
		return nil
	}
	return []string{keys[0].Path}
}

func TestDefaultsCanBeRead(t *testing.T) {
	var walk func(section reflect.Type)
	walk = func(section reflect.Type) {
		fields := fieldsOf(section)
		for _, f := range fields {
			if f.def != "" && sibling(f, fields) == nil {
				v := reflect.New(f.typ).Elem()
				setDefault(v, f, fields) // panics when the tag is wrong
				if v.IsZero() && f.typ != reflect.TypeFor[gabion.Priority]() {
					t.Errorf("default %q of %s is its zero value", f.def, f.key)
				}
				if f.def == "off" && isNumber(f.typ) && !f.off {
					t.Errorf("%s is off by default but cannot be off", f.key)
				}
			}
			inner, _ := sectionOf(f.typ)
			if inner.Kind() == reflect.Map || inner.Kind() == reflect.Slice {
				inner, _ = sectionOf(inner.Elem())
			}
			if inner.Kind() == reflect.Struct && !isText(inner) {
				walk(inner)
			}
		}
	}
	walk(reflect.TypeFor[File]())
}

func TestExplain(t *testing.T) {
	for query, want := range map[string]string{
		"services.*.breaker.window":          "services.*.breaker.window",
		"services.catalog.breaker.window":    "services.*.breaker.window",
		"breaker.window":                     "services.*.breaker.window",
		"breaker":                            "services.*.breaker",
		"routes[0].match.path":               "routes.*.match.path",
		"routes.match.path":                  "routes.*.match.path",
		"services.x.endpoints[3].url":        "services.*.endpoints.*.url",
		"services.catalog":                   "services",
		"limits.per-user.tiers.gold":         "limits.*.tiers",
		"gateway.listen.address":             "gateway.listen.*.address",
		"timeout":                            "services.*.timeout",
		"backoff.max":                        "services.*.retry.backoff.max",
		"services.a.fallback[0].respond":     "services.*.fallback.*.respond",
		"fallback.respond.status":            "services.*.fallback.*.respond.status",
		`limits.l.overrides["a.b"].requests`: "limits.*.overrides.*.requests",
	} {
		keys, err := Find(query)
		if err != nil || keys[0].Path != want {
			t.Errorf("%s: %v, %v; want %s", query, keys, err, want)
		}
	}
	for query, want := range map[string]string{
		"cache": "not available yet", "services.a.cache": "not available yet", "wndow": `"window"`, "breakr": `"breaker"`, "gateway.lisen": `"gateway.listen"`,
		"qqqqqqqq": "lists them", "": "", "*": "there is no key",
	} {
		err := Explain(&bytes.Buffer{}, query)
		if (err == nil) != (want == "") || (err != nil && !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", query, err, want)
		}
	}
}

func TestExplainGolden(t *testing.T) {
	var b bytes.Buffer
	for _, query := range []string{"", "gateway.drain", "breaker", "slow_call", "routes", "match", "limits", "fallback", "token", "timeout"} {
		b.WriteString("$ gabion explain " + query + "\n")
		if err := Explain(&b, query); err != nil {
			t.Error(err)
		}
		b.WriteString("\n")
	}
	golden(t, "testdata/explain.txt", b.Bytes())
}

func TestNearest(t *testing.T) {
	choices := []string{"timeout", "retry", "breaker", "max_header", "ip", "balance"}
	for got, want := range map[string]string{
		"timeot": "timeout", "tiemout": "timeout", "Breaker": "breaker", "maxHeader": "max_header", "max-header": "max_header",
		"breakers": "breaker", "xyz": "", "": "", "i": "ip", "banalce": "balance", strings.Repeat("x", 1000): "",
	} {
		if best := nearest(got, choices); best != want {
			t.Errorf("%q: %q, want %q", got, best, want)
		}
	}
}

func TestGapsInAPath(t *testing.T) {
	if join("a", "b.c") != `a["b.c"]` || join("", "x") != "x" || join("a", "b") != "a.b" {
		t.Error("paths are not told apart")
	}
}

func TestOffIsNoDuration(t *testing.T) {
	if durationText(gabion.Off) != "off" || durationText(3_600_000_000_000) != "1h" || durationText(90_000_000_000) != "1m30s" || durationText(600_000_000_000) != "10m" {
		t.Error("durations are not written as people do")
	}
}
