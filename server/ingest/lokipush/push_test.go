package lokipush

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/gabion-io/gabion/server/ingest"
	"github.com/gabion-io/gabion/server/ingest/internal/shelf"
	"github.com/gabion-io/gabion/server/logs/entry"
)

func post(s *shelf.Shelf, contentType, body string) *httptest.ResponseRecorder {
	r, w := httptest.NewRequest(http.MethodPost, "/loki/api/v1/push", strings.NewReader(body)), httptest.NewRecorder()
	r.Header.Set("Content-Type", contentType)
	(&Handler{Sink: s, Intake: &ingest.Intake{}}).ServeHTTP(w, r)
	return w
}

// pb makes a message of fields: a number of a field, then a text or a number.
func pb(parts ...any) string {
	var b []byte
	for pair := range slices.Chunk(parts, 2) {
		number := protowire.Number(pair[0].(int))
		switch v := pair[1].(type) {
		case string:
			b = protowire.AppendString(protowire.AppendTag(b, number, protowire.BytesType), v)
		case int:
			b = protowire.AppendVarint(protowire.AppendTag(b, number, protowire.VarintType), uint64(v))
		}
	}
	return string(b)
}

func message() string {
	return pb(1, pb(
		2, pb(1, pb(1, 1763719200, 2, 5), 2, "one level=debug", 3, pb(1, "traceID", 2, "AB"), 3, pb(1, "user", 2, "7")),
		1, `{app="shop", pod="shop-1",level="warn", job="default/shop",q="a\"}"}`,
		2, pb(1, pb(1, 1763719201), 2, "two", 3, pb(1, "detected_level", 2, "error")),
		3, 12345), // the hash
		1, pb(1, "{}", 2, pb(1, pb(1, 3), 2, `{"level":"fatal"}`)))
}

var want = []string{
	`{1763719200000000005 warn shop shop-1  ab  one level=debug [{user 7} {job default/shop} {q a"}}]}`,
	`{1763719201000000000 error shop shop-1    two [{job default/shop} {q a"}}]}`,
	`{3000000000 fatal      {"level":"fatal"} []}`,
}

func check(t *testing.T, s *shelf.Shelf) {
	t.Helper()
	var got []string
	for _, e := range s.Lines {
		got = append(got, fmt.Sprint(e))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}

func TestProtobuf(t *testing.T) {
	s := &shelf.Shelf{}
	if w := post(s, "application/x-protobuf", string(snappy.Encode(nil, []byte(message())))); w.Code != http.StatusNoContent {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	check(t, s)
}

func TestJSON(t *testing.T) {
	s := &shelf.Shelf{}
	w := post(s, "application/json", `{"streams":[
		{"stream":{"app":"shop","pod":"shop-1","level":"warn","q":"a\"}","job":"default/shop"},"values":[
			["1763719200000000005","one level=debug",{"traceID":"AB","user":"7"}],["1763719201000000000","two",{"detected_level":"error"}]]},
		{"stream":{},"values":[["3000000000","{\"level\":\"fatal\"}"]]}]}`)
	if w.Code != http.StatusNoContent {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	check(t, s)
}

func TestMalformed(t *testing.T) {
	packed := func(s string) string { return string(snappy.Encode(nil, []byte(s))) }
	var many strings.Builder // labels that every line gets
	for i := range 100 {
		fmt.Fprintf(&many, `"a%d":"1",`, i)
	}
	for _, tc := range []struct {
		kind, body string
		status     int
		says       string
	}{
		{"application/json", `{"streams":[}`, 400, "byte 13"},
		{"application/json", `{"streams":[{"values":[["1","a"],["x","a"]]}]}`, 400, "stream 1: line 2: the time"},
		{"application/json", `{"streams":[{"values":[[1,"a"]]}]}`, 400, "the time"},
		{"application/json", `{"streams":[{"values":[["1"]]}]}`, 400, "1 values"},
		{"application/json", `{"streams":[{"values":[["1",{}]]}]}`, 400, "the text"},
		{"application/json", `{"streams":[{"values":[["1","a",{"n":1}]]}]}`, 400, "the metadata"},
		{"application/json", `{"streams":7}`, 400, "streams"},
		{"", "hello", 400, "snappy"},
		{"", packed("hello"), 400, "byte"},
		{"", "\xff\xff\xff\xff\x0f", 413, "unpacked"},
		{"", packed(pb(1, pb(1, "app"))), 400, "stream 1: "},
		{"", packed(pb(1, pb(1, "{}", 2, pb(2, "x"), 2, pb(1, pb(1, -1))))), 400, "stream 1: line 2: "},
		{"text/plain", "", 415, "Content-Type"},
		{"", packed(pb(1, pb(1, `{`+strings.Repeat(`a="1",`, 100)+`}`)+strings.Repeat(pb(2, ""), 1<<14))), 413, "fewer"},
		{"application/json", `{"streams":[{"stream":{` + many.String() + `"a":""},"values":[` + strings.Repeat(`["1",""],`, 1<<14) + `["1",""]]}]}`, 413, "fewer"},
	} {
		s := &shelf.Shelf{}
		w := post(s, tc.kind, tc.body)
		if w.Code != tc.status || !strings.Contains(w.Body.String(), tc.says) || len(s.Lines) != 0 {
			t.Errorf("%q: %d %s, %d lines", tc.body, w.Code, w.Body, len(s.Lines))
		}
	}
	w := httptest.NewRecorder()
	(&Handler{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET is %d", w.Code)
	}
}

func TestSinkErrors(t *testing.T) {
	body := string(snappy.Encode(nil, []byte(message())))
	for _, tc := range []struct {
		err    error
		status int
	}{{ingest.ErrFull, 429}, {errors.New("disk"), 503}, {&ingest.PartialError{Dropped: []int{1}}, 204}} {
		if w := post(&shelf.Shelf{Err: tc.err}, "", body); w.Code != tc.status || (w.Code > 400) != (w.Header().Get("Retry-After") != "") {
			t.Errorf("%v: %d %v", tc.err, w.Code, w.Header())
		}
	}
	s := &shelf.Shelf{}
	if w := post(s, "", string(snappy.Encode(nil, nil))); w.Code != http.StatusNoContent {
		t.Errorf("an empty request is %d", w.Code)
	}
}

func TestLabels(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                  `[]`,
		`{a="1",b="x\ny\"}"}`: "[{a 1} {b x\ny\"}}]",
		"{a=`x`}":             `[{a x}]`,
		`{ a = "1" , b="2",}`: `[{a 1} {b 2}]`,
		``:                    ``,
		`a="1"`:               ``,
		`{a}`:                 ``,
		`{a=1}`:               ``,
		`{a="1}`:              ``,
		`{a="1" b="2"}`:       ``,
		`{="1"}`:              ``,
		`{a='1'}`:             ``,
		`{a="1"} x`:           ``,
	} {
		got, err := parseLabels(text)
		if (err != nil) != (want == "") || err == nil && fmt.Sprint(got) != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
		if err != nil && (!errors.Is(err, ingest.ErrRefused) || !strings.Contains(err.Error(), "byte")) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzPush(f *testing.F) {
	f.Add([]byte(message()))
	f.Add([]byte(pb(1, pb(1, "{", 2, "x"))))
	f.Add([]byte(`{"streams":[{"stream":{"app":"x"},"values":[["1","a",{"level":"info"}]]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		now := time.Unix(1, 0)
		for _, read := range []func([]byte, time.Time) ([]entry.Entry, error){readProtobuf, readPacked, readJSON} {
			lines, err := read(body, now)
			if err != nil && !errors.Is(err, ingest.ErrRefused) {
				t.Fatalf("an error of another kind: %v", err)
			}
			for _, e := range lines {
				if err == nil && e.Time <= 0 {
					t.Fatalf("time %d", e.Time)
				}
			}
		}
	})
}

func FuzzLabels(f *testing.F) {
	f.Add(`{a="1", b="x\ny"}`)
	f.Fuzz(func(t *testing.T, text string) {
		if labels, err := parseLabels(text); err != nil && labels != nil {
			t.Fatal("labels and an error")
		}
	})
}
