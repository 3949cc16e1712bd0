package httpx_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/bulkhead"
	"github.com/gabion-io/gabion/httpx"
)

func TestEndedIsToldOfEveryRequest(t *testing.T) {
	full := &gate{refusal: &gabion.Error{Policy: "bulkhead", Reason: bulkhead.ErrFull}}
	for name, test := range map[string]struct {
		guard   *gate
		next    http.HandlerFunc
		want    httpx.Served
		unwinds bool
	}{
		"an answer": {
			next: func(w http.ResponseWriter, r *http.Request) {
				io.CopyN(io.Discard, r.Body, 3)
				w.WriteHeader(http.StatusTeapot)
				io.WriteString(w, "tea")
				w.Write([]byte("pot"))
				io.Copy(w, bytes.NewReader([]byte("!")))
			},
			want: httpx.Served{Status: http.StatusTeapot, Read: 3, Written: 7},
		},
		"nothing said": {next: func(http.ResponseWriter, *http.Request) {}, want: httpx.Served{Status: http.StatusOK}},
		"refused": {
			guard: full,
			next:  func(http.ResponseWriter, *http.Request) { t.Error("called") },
			want:  httpx.Served{Status: http.StatusServiceUnavailable, Refused: bulkhead.ErrFull, Written: 103},
		},
		"a panic": {next: func(http.ResponseWriter, *http.Request) { panic("x") }, unwinds: true},
		"a panic behind the head": {
			next:    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted); panic("x") },
			want:    httpx.Served{Status: http.StatusAccepted},
			unwinds: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if test.guard == nil {
				test.guard = &gate{}
			}
			var told []httpx.Served
			cfg := httpx.HandlerConfig{Pipe: pipeOf(t, gabion.Config{}, test.guard), Ended: func(s httpx.Served) { told = append(told, s) }}
			mux := http.NewServeMux()
			mux.HandleFunc("POST /orders/{id}", test.next)
			h := handler(t, cfg, mux.ServeHTTP)
			func() {
				defer func() {
					if (recover() != nil) != test.unwinds {
						t.Error("the panic did not go on")
					}
				}()
				h(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/orders/7", strings.NewReader("a long body")))
			}()
			if len(told) != 1 {
				t.Fatalf("told %d times", len(told))
			}
			got, want := told[0], test.want
			if got.Status != want.Status || got.Read != want.Read || got.Written != want.Written || !errors.Is(got.Refused, want.Refused) {
				t.Errorf("told %+v, want %+v", got, want)
			}
			if pattern := got.Request.Pattern; want.Refused == nil && pattern != "POST /orders/{id}" {
				t.Errorf("the pattern is %q", pattern)
			}
		})
	}
}

func TestEndedIsToldHowLongItTook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told httpx.Served
		h := handler(t, httpx.HandlerConfig{Ended: func(s httpx.Served) { told = s }}, func(http.ResponseWriter, *http.Request) {
			time.Sleep(3 * time.Second)
		})
		h(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		if told.Took != 3*time.Second || told.Status != http.StatusOK {
			t.Errorf("told %+v", told)
		}
	})
}

// A connection that was taken over has no status that we know.
func TestEndedAfterTakingOver(t *testing.T) {
	told := make(chan httpx.Served, 1)
	server := httptest.NewServer(handler(t, httpx.HandlerConfig{Ended: func(s httpx.Served) { told <- s }}, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		io.WriteString(conn, "HTTP/1.1 204 No Content\r\n\r\n")
		conn.Close()
	}))
	defer server.Close()
	response, err := plain(t).Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if s := <-told; s.Status != 0 || s.Refused != nil {
		t.Errorf("told %+v", s)
	}
}
