package jsonlines

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion/logs"
	"github.com/gabion-io/gabion/server/ingest"
	"github.com/gabion-io/gabion/server/ingest/internal/shelf"
	"github.com/gabion-io/gabion/server/logs/entry"
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
		"too many":  {strings.Repeat("{}\n", 330_000), nil, 413, ""},
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
		b, err := parse(body, time.Unix(1, 0))
		if err != nil {
			if !errors.Is(err, ingest.ErrTooLarge) {
				t.Fatal(err)
			}
			return
		}
		full := 0
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

// TestTheHandlerOfTheKit: what package logs of the kit sends is understood.
func TestTheHandlerOfTheKit(t *testing.T) {
	s := &shelf.Shelf{}
	server := httptest.NewServer(&Handler{Sink: s, Intake: &ingest.Intake{}})
	defer server.Close()
	handler, err := logs.New(logs.Config{
		URL: server.URL, Service: "shop", Instance: "shop-1", Gzip: true, Level: slog.LevelDebug - 4,
		Trace: func(context.Context) (string, string) { return "4BF92F", "00f067" },
	})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(handler).With("user", 7).WithGroup("order")
	log.Warn("late", "id", 4711, "took", 2*time.Second)
	log.Log(t.Context(), slog.LevelDebug-4, "detail")
	if err := handler.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(s.Lines) != 2 || handler.Counts().Sent != 2 {
		t.Fatalf("%+v %+v", s.Lines, handler.Counts())
	}
	e := s.Lines[0]
	if age := time.Since(time.Unix(0, e.Time)); age < 0 || age > time.Minute {
		t.Errorf("the time is %v", e.Time)
	}
	want := entry.Entry{
		Time: e.Time, Level: entry.Warn, Service: "shop", Instance: "shop-1", Trace: "4bf92f", Span: "00f067", Message: "late",
		Attrs: []entry.Attr{{Name: "user", Value: "7"}, {Name: "order", Value: `{"id":4711,"took":2000000000}`}},
	}
	if !reflect.DeepEqual(e, want) {
		t.Errorf("%+v, want %+v", e, want)
	}
	if s.Lines[1].Level != entry.Trace {
		t.Errorf("%+v", s.Lines[1])
	}
}
