package api

import (
	"bytes"
	"encoding"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
)

var rewrite = flag.Bool("rewrite", false, "write openapi.json anew")

type object = map[string]any

// TestDocument holds openapi.json equal to the operations, the types that they answer with and the comments of these.
func TestDocument(t *testing.T) {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(describe(t)); err != nil {
		t.Fatal(err)
	}
	if *rewrite {
		if err := os.WriteFile("openapi.json", text.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(text.Bytes(), document) {
		t.Error("openapi.json is not what the API is: go test ./api -run TestDocument -rewrite")
	}
}

func describe(t *testing.T) object {
	s := &schemas{comments: map[string]string{}, all: object{}}
	for _, dir := range []string{".", "../status", "../event", "../config"} {
		s.read(t, dir)
	}
	paths := object{}
	for i := range operations {
		op := &operations[i]
		if paths[op.path] == nil {
			paths[op.path] = object{}
		}
		paths[op.path].(object)[strings.ToLower(op.method)] = s.operation(op)
	}
	return object{
		"openapi": "3.1.0",
		"info": object{
			"title": "Gabion admin API", "version": "1", "license": object{"name": "Apache-2.0", "identifier": "Apache-2.0"},
			"description": "What the gateway tells about itself and how it is told to change. Times are in UTC. " +
				"Clients on the gateway's own host need no token; others send the one of gateway.token.",
		},
		"paths": paths,
		"components": object{
			"schemas":         s.all,
			"securitySchemes": object{"token": object{"type": "http", "scheme": "bearer"}},
		},
	}
}

// schemas makes schemas of Go types.
type schemas struct {
	comments map[string]string // by package.Type and package.Type.Field
	all      object
}

// read gathers the comments of a package.
func (s *schemas) read(t *testing.T, dir string) {
	files, err := filepath.Glob(dir + "/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			gen, isType := decl.(*ast.GenDecl)
			if !isType || gen.Tok != token.TYPE {
				continue
			}
			for _, spec := range gen.Specs {
				s.note(file.Name.Name, gen.Doc, spec.(*ast.TypeSpec))
			}
		}
	}
}

func (s *schemas) note(pkg string, doc *ast.CommentGroup, spec *ast.TypeSpec) {
	name := pkg + "." + spec.Name.Name
	s.comments[name] = plain(doc.Text())
	fields, isStruct := spec.Type.(*ast.StructType)
	if !isStruct {
		return
	}
	for _, f := range fields.Fields.List {
		for _, ident := range f.Names {
			s.comments[name+"."+ident.Name] = plain(f.Doc.Text())
		}
	}
}

// plain makes one line of a comment, without the brackets of links.
func plain(text string) string {
	return strings.NewReplacer("[", "", "]", "").Replace(strings.Join(strings.Fields(text), " "))
}

func (s *schemas) operation(op *operation) object {
	answers := object{}
	for _, a := range op.answers {
		s.answer(answers, a)
	}
	o := object{"operationId": op.id, "summary": op.summary, "responses": answers}
	if op.probe {
		o["security"] = []object{}
	} else {
		o["security"] = []object{{}, {"token": []string{}}}
		s.answer(answers, failed(401, "The token is missing or wrong."))
		s.answer(answers, failed(403, "Only clients on the gateway's own host may use the API without a token."))
	}
	var params []object
	for _, p := range op.params {
		kind := object{"type": "string"}
		if p.whole {
			kind = object{"type": "integer", "minimum": 0}
		}
		if p.values != nil {
			kind["enum"] = p.values
		}
		params = append(params, object{"name": p.name, "in": p.in, "description": p.meaning, "required": p.required, "schema": kind})
	}
	if params != nil {
		o["parameters"] = params
	}
	if op.body != "" {
		schema := object{"type": "string"}
		if op.takes != nil {
			schema = s.of(reflect.TypeOf(op.takes))
		}
		o["requestBody"] = object{"required": true, "content": object{op.body: object{"schema": schema}}}
	}
	return o
}

func (s *schemas) answer(answers object, a answer) {
	code := strconv.Itoa(a.code)
	if answers[code] == nil {
		answers[code] = object{"description": a.meaning, "content": object{}}
	} else {
		answers[code].(object)["description"] = answers[code].(object)["description"].(string) + " " + a.meaning
	}
	if a.kind == "" {
		delete(answers[code].(object), "content")
		return
	}
	schema := object{"type": "string"}
	switch {
	case a.body != nil:
		schema = s.of(reflect.TypeOf(a.body))
	case a.kind == jsonKind:
		schema = object{"type": "object"}
	}
	kind, _, _ := strings.Cut(a.kind, ";")
	answers[code].(object)["content"].(object)[kind] = object{"schema": schema}
}

// of is the schema of a type.
func (s *schemas) of(t reflect.Type) object {
	if t.Implements(reflect.TypeFor[encoding.TextMarshaler]()) && t != reflect.TypeFor[time.Time]() {
		return object{"type": "string"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.of(t.Elem())
	case reflect.Slice:
		return object{"type": "array", "items": s.of(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": s.of(t.Elem())}
	case reflect.Struct:
		if t == reflect.TypeFor[time.Time]() {
			return object{"type": "string", "format": "date-time"}
		}
		return s.structure(t)
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.Int:
		return object{"type": "integer"}
	case reflect.Uint64:
		return object{"type": "integer", "minimum": 0}
	case reflect.String:
		return object{"type": "string"}
	}
	panic(fmt.Sprintf("no schema for %v", t))
}

func (s *schemas) structure(t reflect.Type) object {
	name := strings.ToUpper(t.Name()[:1]) + t.Name()[1:]
	if path.Base(t.PkgPath()) == "config" && t.Name() == "Problem" {
		name = "Finding" // there is a problem of HTTP already
	}
	link := object{"$ref": "#/components/schemas/" + name}
	if s.all[name] != nil {
		return link
	}
	goName := path.Base(t.PkgPath()) + "." + t.Name()
	properties, required := object{}, []string{}
	schema := object{"type": "object", "properties": properties}
	if text := s.comments[goName]; text != "" {
		schema["description"] = text
	}
	s.all[name] = schema
	for _, f := range reflect.VisibleFields(t) {
		key, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || key == "" {
			continue
		}
		property := s.of(f.Type)
		if values := f.Tag.Get("enum"); values != "" {
			property["enum"] = strings.Split(values, ",")
		}
		if text := s.comments[goName+"."+f.Name]; text != "" {
			property["description"] = text
		}
		properties[key] = property
		if options == "" {
			required = append(required, key)
		}
	}
	schema["required"] = required
	return link
}
