package jsonlines

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion/server/ingest"
	"github.com/gabion-io/gabion/server/ingest/internal/shelf"
)

func post(t *testing.T, s *shelf.Shelf, body string) (*httptest.ResponseRecorder, Answer) {
	t.Helper()
	h := &Handler{Sink: s, Intake: &ingest.Intake{MaxBody: 4 << 20}}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/api/v1/logs", strings.NewReader(body)))
	var a Answer
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		t.Fatal(err)
	}
	return w, a
}

func TestGoodLinesAreKept(t *testing.T) {
	s := &shelf.Shelf{}
	w, a := post(t, s, `{"time":"2025-11-21T10:00:00Z","msg":"one"}`+"\r\n\n"+`{"msg":`+"\n"+`{"msg":"`+strings.Repeat("x", MaxLine)+"\"}\n"+`{"msg":"two","user":7}`)
	if w.Code != http.StatusOK || a.Taken != 2 || a.Refused != 2 || len(a.Errors) != 2 {
		t.Fatalf("%d %+v", w.Code, a)
	}
	if a.Errors[0].Line != 3 || !strings.Contains(a.Errors[0].Reason, "byte 7") || a.Errors[1].Line != 4 {
		t.Errorf("%+v", a.Errors)
	}
	if s.Lines[0].Message != "one" || s.Lines[1].Time == 0 || s.Lines[1].Attrs[0].Value != "7" {
		t.Errorf("%+v", s.Lines)
	}
}

func TestStatus(t *testing.T) {
	for name, tc := range map[string]struct {
		body   string
		err    error
		status int
		after  string
	}{
		"nothing":   {"", nil, 200, ""},
		"all bad":   {"x\ny", nil, 400, ""},
		"full":      {"{}", &ingest.FullError{After: 3 * time.Second}, 429, "3"},
		"broken":    {"{}", errors.New("disk"), 503, "1"},
		"refused":   {"{}", ingest.ErrRefused, 400, ""},
		"too large": {strings.Repeat(" ", 5<<20), nil, 413, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := &shelf.Shelf{Err: tc.err}
			w, a := post(t, s, tc.body)
			if w.Code != tc.status || w.Header().Get("Retry-After") != tc.after || len(s.Lines) != 0 || (tc.status != 200) != (a.Error != "") {
				t.Errorf("%d, after %q, %+v", w.Code, w.Header().Get("Retry-After"), a)
			}
		})
	}
	w := httptest.NewRecorder()
	(&Handler{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET is %d", w.Code)
	}
}

func TestDroppedLinesAreNamed(t *testing.T) {
	_, a := post(t, &shelf.Shelf{Err: &ingest.PartialError{Dropped: []int{1}, Reason: "quota"}}, "{}\n\n{}\n{}")
	if a.Taken != 2 || a.Refused != 1 || !slices.Equal(a.Errors, []LineError{{3, "quota"}}) {
		t.Errorf("%+v", a)
	}
}

func TestErrorsAreBounded(t *testing.T) {
	if _, a := post(t, &shelf.Shelf{}, strings.Repeat("x\n", 1000)); a.Refused != 1000 || len(a.Errors) != MaxErrors {
		t.Errorf("%d refused, %d reasons", a.Refused, len(a.Errors))
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("{\"msg\":\"a\"}\n\n{\"msg\":\nnull\n{}"))
	f.Fuzz(func(t *testing.T, body []byte) {
		b, full := parse(body, time.Unix(1, 0)), 0
		for line := range bytes.Lines(body) {
			if len(bytes.TrimSpace(line)) > 0 {
				full++
			}
		}
		if len(b.lines)+b.refused != full || len(b.numbers) != len(b.lines) {
			t.Fatalf("%d taken and %d refused of %d", len(b.lines), b.refused, full)
		}
	})
}
