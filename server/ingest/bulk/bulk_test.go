package bulk

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion/server/ingest"
	"github.com/gabion-io/gabion/server/ingest/internal/shelf"
	"github.com/gabion-io/gabion/server/logs/entry"
)

func ask(s *shelf.Shelf, method, path, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	(&Handler{Sink: s, Intake: &ingest.Intake{}}).ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	return w
}

// items are the answers as texts.
func items(t *testing.T, w *httptest.ResponseRecorder) (list []string) {
	t.Helper()
	var out struct {
		Errors bool
		Items  []map[string]result
	}
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	bad := false
	for _, it := range out.Items {
		for action, r := range it {
			kind := "-"
			if r.Error != nil {
				kind, bad = r.Error.Type, true
			}
			list = append(list, fmt.Sprint(action, " ", r.Index, " ", r.Status, " ", kind))
		}
	}
	if bad != out.Errors {
		t.Errorf("errors is %v", out.Errors)
	}
	return list
}

// shipped is what Filebeat and Fluent Bit send.
const shipped = `{"create":{"_index":"filebeat"}}
{"@timestamp":"2025-11-21T10:00:00.000Z","log":{"level":"error"},"message":"boom","service":{"name":"shop"},"agent":{"type":"filebeat"}}
{"index":{}}
{"msg":"two"}

{"create":{}}
{"msg":
{"delete":{"_id":"1"}}
{"update":{"_id":"1"}}
{"doc":{}}
{"create":{"_type":"_doc"}}
{"@timestamp":"yesterday"}
{"index":{"_index":"x"}}
{"msg":"three"}
`

func TestBulk(t *testing.T) {
	s := &shelf.Shelf{}
	got := items(t, ask(s, http.MethodPost, "/logs/_bulk", shipped))
	const bad, no = "400 document_parsing_exception", "400 illegal_argument_exception"
	want := []string{"create filebeat 201 -", "index logs 201 -", "create logs " + bad, "delete logs " + no, "update logs " + no, "create logs " + bad, "index x 201 -"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if e := s.Lines[0]; e.Service != "shop" || e.Level != entry.Error || e.Message != "boom" || e.Time != 1763719200e9 || len(e.Attrs) != 2 {
		t.Errorf("%+v", e)
	}
	if e := s.Lines[1]; e.Service != "logs" || e.Time == 0 || len(s.Lines) != 3 {
		t.Errorf("%+v", s.Lines)
	}
}

func TestOverQuota(t *testing.T) {
	s := &shelf.Shelf{Err: &ingest.PartialError{Dropped: []int{0, 2}, Reason: "quota"}}
	got := items(t, ask(s, http.MethodPut, "/_bulk", shipped))
	for i, want := range map[int]string{0: "429 es_rejected_execution_exception", 1: "201 -", 2: "400 document_parsing_exception", 6: "429 es_rejected_execution_exception"} {
		if !strings.HasSuffix(got[i], want) {
			t.Errorf("item %d is %q, want %q", i, got[i], want)
		}
	}
}

func TestRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		method, body string
		err          error
		status       int
		says         string
	}{
		"no action":      {"POST", "{\"create\":{}}\n{}\nhello\n{}", nil, 400, "line 3: an action"},
		"unknown action": {"POST", "{\"read\":{}}\n{}", nil, 400, "line 1: "},
		"two actions":    {"POST", "{\"create\":{},\"index\":{}}\n{}", nil, 400, "is no action"},
		"no document":    {"POST", "{\"create\":{}}\n\n", nil, 400, "has no document"},
		"full":           {"POST", shipped, ingest.ErrFull, 429, "rejected"},
		"broken":         {"POST", shipped, errors.New("disk"), 503, "rejected"},
		"too many":       {"POST", strings.Repeat("{\"create\":{}}\n{}\n", 400_000), nil, 413, "fewer"},
		"method":         {"GET", "", nil, 405, "POST"},
	} {
		s := &shelf.Shelf{Err: tc.err}
		w := ask(s, tc.method, "/_bulk", tc.body)
		if w.Code != tc.status || !strings.Contains(w.Body.String(), tc.says) || len(s.Lines) > 0 {
			t.Errorf("%s: %d %s, %d lines", name, w.Code, w.Body, len(s.Lines))
		}
	}
	if got := items(t, ask(&shelf.Shelf{}, "POST", "/_bulk", "{\"create\":{}}\n{\"a\":\""+strings.Repeat("x", maxLine)+"\"}")); !strings.Contains(got[0], "400") {
		t.Errorf("a large document: %q", got)
	}
	if got := items(t, ask(&shelf.Shelf{}, "POST", "/_bulk", "")); len(got) != 0 {
		t.Errorf("nothing: %q", got)
	}
}

func TestProbes(t *testing.T) {
	for question, want := range map[string]int{
		"GET /": 200, "HEAD /": 200, "GET /_cluster/health": 200, "GET /_license": 200, "GET /_xpack": 200, "GET /_nodes/http": 200,
		"PUT /_index_template/x": 200, "HEAD /_index_template/x": 200, "PUT /_ilm/policy/x": 200, "GET /_search": 404, "DELETE /": 404, "DELETE /_template/x": 404, "POST /x_bulk": 404,
	} {
		method, path, _ := strings.Cut(question, " ")
		if w := ask(&shelf.Shelf{}, method, path, ""); w.Code != want || w.Header().Get("X-Elastic-Product") != "Elasticsearch" || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s is %d %s", question, w.Code, w.Body)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(shipped))
	f.Fuzz(func(t *testing.T, body []byte) {
		items, lines, err := parse(body, "i", time.Unix(1, 0))
		if err != nil {
			if items != nil || lines != nil || !errors.Is(err, ingest.ErrRefused) {
				t.Fatalf("%v with %d items", err, len(items))
			}
			return
		}
		taken := 0
		for _, it := range items {
			if it.status == http.StatusCreated {
				taken++
			}
		}
		if taken != len(lines) {
			t.Fatalf("%d lines of %d items", len(lines), taken)
		}
	})
}
