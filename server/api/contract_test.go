package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/event"
	"github.com/gabion-io/gabion/server/status"
)

// TestEveryAnswer makes every answer that the document has, and holds it against its schema.
func TestEveryAnswer(t *testing.T) {
	var doc object
	if err := json.Unmarshal(document, &doc); err != nil {
		t.Fatal(err)
	}
	missing := map[string]bool{}
	for route, methods := range doc["paths"].(object) {
		for method, op := range methods.(object) {
			for code := range op.(object)["responses"].(object) {
				missing[strings.ToUpper(method)+" "+route+" "+code] = true
			}
		}
	}
	change := []string{"If-Match", `"one"`}
	for _, test := range []struct {
		op, target, body string
		code             int
		header           []string
		before           func(*bundle)
	}{
		{op: "GET /livez", code: 200, before: func(b *bundle) { b.set("starting", "") }},
		{op: "GET /readyz", code: 200},
		{op: "GET /readyz", code: 503, before: func(b *bundle) { b.set("starting", "") }},
		{op: "GET /readyz", code: 503, before: func(b *bundle) { b.set("draining", "") }},
		{op: "GET /startupz", code: 503, before: func(b *bundle) { b.set("starting", "") }},
		{op: "GET /startupz", code: 200, before: func(b *bundle) { b.set("draining", "") }},
		{op: "GET /metrics", code: 200},
		{op: "GET /api/v1/openapi.json", code: 200},
		{op: "GET /api/v1/status", code: 200},
		{op: "GET /api/v1/services", code: 200},
		{op: "GET /api/v1/services/{name}", target: "/api/v1/services/catalog", code: 200},
		{op: "GET /api/v1/services/{name}", target: "/api/v1/services/empty", code: 200},
		{op: "GET /api/v1/services/{name}", target: "/api/v1/services/catalogue", code: 404},
		{op: "GET /api/v1/limits/top", code: 200},
		{op: "GET /api/v1/limits/top", target: "/api/v1/limits/top?by=server_time&limit=1", code: 200},
		{op: "GET /api/v1/limits/top", target: "/api/v1/limits/top?by=name", code: 400},
		{op: "GET /api/v1/limits/top", target: "/api/v1/limits/top?limit=0", code: 400},
		{op: "GET /api/v1/events", code: 200},
		{op: "GET /api/v1/events", target: "/api/v1/events?since=1&limit=1", code: 200},
		{op: "GET /api/v1/events", target: "/api/v1/events?since=-1", code: 400},
		{op: "GET /api/v1/events", target: "/api/v1/events?limit=1001", code: 400},
		{op: "GET /api/v1/events", code: 503, header: []string{"Accept", streamKind}, before: func(b *bundle) {
			for range maxFollowers {
				b.followers <- struct{}{}
			}
		}},
		{op: "GET /api/v1/config", code: 200},
		{op: "PUT /api/v1/config", body: "services: {a: {}}", code: 200, header: change},
		{op: "PUT /api/v1/config", body: "x", code: 412, header: []string{"If-Match", `W/"one", "two"`}},
		{op: "PUT /api/v1/config", body: strings.Repeat("#", maxConfig+1), code: 413, header: change},
		{op: "PUT /api/v1/config", body: "bad", code: 422, header: change},
		{op: "PUT /api/v1/config", body: "admin", code: 422, header: []string{"If-Match", "*"}},
		{op: "PUT /api/v1/config", body: "x", code: 428},
		{op: "PUT /api/v1/config", body: "full", code: 500, header: change},
		{op: "POST /api/v1/reload", code: 200},
		{op: "POST /api/v1/reload", code: 422, before: func(b *bundle) { b.control.reload = config.Problems{{Message: "x"}} }},
		{op: "POST /api/v1/reload", code: 500, before: func(b *bundle) { b.control.reload = errors.Join(ErrStore, errors.New("gone")) }},
		{op: "GET /api/v1/faults", code: 200, before: func(b *bundle) { b.faults.all = []status.Fault{{ID: "1", Kind: "latency"}} }},
		{op: "POST /api/v1/faults", body: `{"service":"catalog","kind":"latency","latency":"5ms","share":"50%","for":"1m"}`, code: 201},
		{op: "POST /api/v1/faults", body: `{"service":"catalog","kind":"latency","latency":5}`, code: 400},
		{op: "POST /api/v1/faults", body: `{"service":"catalog","kind":"latency","lateness":"5ms"}`, code: 400},
		{op: "POST /api/v1/faults", body: `{"service":"catalogue","kind":"latency"}`, code: 403},
		{op: "POST /api/v1/faults", body: `{"service":"catalog","kind":"latency"}`, code: 409, before: func(b *bundle) { b.faults.all = make([]status.Fault, 2) }},
		{op: "POST /api/v1/faults", body: `{"service":"catalog","kind":"fire"}`, code: 422},
		{op: "DELETE /api/v1/faults/{id}", target: "/api/v1/faults/1", code: 204, before: func(b *bundle) { b.faults.all = []status.Fault{{ID: "1"}} }},
		{op: "DELETE /api/v1/faults/{id}", target: "/api/v1/faults/2", code: 404},
		{op: "POST /api/v1/metrics", code: 404},
		{op: "POST /api/v1/metrics", code: 200, before: answering(200, `{"status":"success","data":{"samples":1}}`)},
		{op: "POST /api/v1/metrics", code: 400, before: answering(400, `{"status":"error","errorType":"bad_data","error":"line 1"}`)},
		{op: "POST /api/v1/metrics", code: 413, before: answering(413, `{"status":"error","errorType":"bad_data","error":"too large"}`)},
		{op: "POST /api/v1/metrics", code: 415, before: answering(415, `{"status":"error","errorType":"bad_data","error":"no text"}`)},
		{op: "POST /api/v1/metrics", code: 503, before: answering(503, `{"status":"error","errorType":"unavailable","error":"full"}`)},
		{op: "POST /api/v1/logs", code: 404},
		{op: "POST /api/v1/logs", code: 200, before: answering(200, `{"taken":1,"refused":0}`)},
		{op: "POST /api/v1/logs", code: 400, before: answering(400, `{"taken":0,"refused":1,"errors":[{"line":1,"reason":"no object"}]}`)},
		{op: "POST /api/v1/logs", code: 413, before: answering(413, `{"taken":0,"refused":0,"error":"too large"}`)},
		{op: "POST /api/v1/logs", code: 415, before: answering(415, `{"taken":0,"refused":0,"error":"unknown"}`)},
		{op: "POST /api/v1/logs", code: 429, before: answering(429, `{"taken":0,"refused":0,"error":"full"}`)},
		{op: "POST /api/v1/logs", code: 503, before: answering(503, `{"taken":0,"refused":0,"error":"closed"}`)},
	} {
		method, route, _ := strings.Cut(test.op, " ")
		if test.target == "" {
			test.target = route
		}
		t.Run(fmt.Sprintf("%s %d", test.target, test.code), func(t *testing.T) {
			b := setup(t)
			b.events.Add(event.Event{Kind: event.KindEjection, Service: "catalog", To: "ejected"})
			b.events.Add(event.Event{Kind: event.KindReload})
			if test.before != nil {
				test.before(b)
			}
			w := b.do(request(t, method, test.target, test.body, test.header...))
			if w.Code != test.code {
				t.Fatalf("%d: %s", w.Code, w.Body)
			}
			delete(missing, fmt.Sprintf("%s %d", test.op, test.code))
			holds(t, doc, method, route, w.Code, w.Header(), w.Body.Bytes())
		})
	}
	for i := range operations { // these two are the same for all
		op := &operations[i]
		if op.probe {
			continue
		}
		for code, token := range map[int]string{401: "s3cret", 403: ""} {
			b := setup(t)
			b.set("serving", token)
			r := request(t, op.method, strings.NewReplacer("{name}", "catalog", "{id}", "1").Replace(op.path), "")
			r.RemoteAddr = "10.0.0.9:1"
			if w := b.do(r); w.Code == code {
				delete(missing, fmt.Sprintf("%s %s %d", op.method, op.path, code))
				holds(t, doc, op.method, op.path, code, w.Header(), w.Body.Bytes())
			}
		}
	}
	if len(missing) > 0 {
		t.Errorf("documented but not seen: %q", slices.Sorted(maps.Keys(missing)))
	}
}

// answering makes a store that answers so.
func answering(code int, body string) func(*bundle) {
	return func(b *bundle) {
		b.Stored = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", jsonKind)
			w.WriteHeader(code)
			fmt.Fprint(w, body)
		})
	}
}

// holds holds an answer against the document.
func holds(t *testing.T, doc object, method, route string, code int, header http.Header, body []byte) {
	t.Helper()
	op := doc["paths"].(object)[route].(object)[strings.ToLower(method)].(object)
	answer, known := op["responses"].(object)[fmt.Sprint(code)].(object)
	if !known {
		t.Fatalf("%s %s: %d is not documented", method, route, code)
	}
	if answer["content"] == nil {
		if len(body) > 0 || header.Get("Content-Type") != "" {
			t.Errorf("%s %s %d: %q is not documented", method, route, code, body)
		}
		return
	}
	kind, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	content, known := answer["content"].(object)[kind].(object)
	if err != nil || !known {
		t.Fatalf("%s %s %d: Content-Type %q is not documented (%v)", method, route, code, header.Get("Content-Type"), err)
	}
	if !strings.HasSuffix(kind, "json") {
		return
	}
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	for _, wrong := range check(doc, content["schema"].(object), value, "answer") {
		t.Errorf("%s %s %d: %s", method, route, code, wrong)
	}
}

// check holds a value against a schema, as far as ours go. A property that the schema does not have is wrong.
func check(doc, schema object, value any, at string) (wrong []string) {
	if link, is := schema["$ref"].(string); is {
		name := strings.TrimPrefix(link, "#/components/schemas/")
		return check(doc, doc["components"].(object)["schemas"].(object)[name].(object), value, at)
	}
	if values, is := schema["enum"].([]any); is && !slices.Contains(values, value) {
		wrong = append(wrong, fmt.Sprintf("%s is %v, not one of %v", at, value, values))
	}
	switch value := value.(type) {
	case object:
		return append(wrong, checkObject(doc, schema, value, at)...)
	case []any:
		items, is := schema["items"].(object)
		if !is {
			return append(wrong, at+" must not be a list")
		}
		for i, one := range value {
			wrong = append(wrong, check(doc, items, one, fmt.Sprintf("%s[%d]", at, i))...)
		}
		return wrong
	}
	kind := map[any]bool{"string": false, "number": false, "integer": false, "boolean": false}
	switch value := value.(type) {
	case string:
		kind["string"] = true
	case bool:
		kind["boolean"] = true
	case float64:
		kind["number"], kind["integer"] = true, value == float64(int64(value))
	}
	if !kind[schema["type"]] {
		wrong = append(wrong, fmt.Sprintf("%s is %v, not a %v", at, value, schema["type"]))
	}
	return wrong
}

func checkObject(doc, schema, value object, at string) (wrong []string) {
	if schema["type"] != "object" {
		return []string{at + " must not be an object"}
	}
	properties, _ := schema["properties"].(object)
	others, _ := schema["additionalProperties"].(object)
	required, _ := schema["required"].([]any)
	for _, name := range required {
		if _, has := value[name.(string)]; !has {
			wrong = append(wrong, fmt.Sprintf("%s lacks %v", at, name))
		}
	}
	for name, one := range value {
		switch property, known := properties[name].(object); {
		case known:
			wrong = append(wrong, check(doc, property, one, at+"."+name)...)
		case others != nil:
			wrong = append(wrong, check(doc, others, one, at+"."+name)...)
		case properties != nil:
			wrong = append(wrong, fmt.Sprintf("%s.%s is not documented", at, name))
		}
	}
	return wrong
}
