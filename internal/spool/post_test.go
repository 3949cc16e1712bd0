package spool

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPost(t *testing.T) {
	for _, c := range []struct {
		status  int
		after   string
		body    string
		refused bool
		wait    time.Duration
		want    string
	}{
		{status: 200, body: "fine"},
		{status: 204},
		{status: 400, body: "a  bad\n line \xff", refused: true, want: "answers 400 Bad Request: a bad line"},
		{status: 413, refused: true, want: "answers 413"},
		{status: 307, want: "answers 307"},
		{status: 501, refused: true, want: "answers 501"},
		{status: 401, want: "answers 401"},
		{status: 404, want: "answers 404"},
		{status: 408, want: "answers 408"},
		{status: 429, after: "7", wait: 7 * time.Second, want: "answers 429"},
		{status: 503, after: "soon", want: "answers 503"},
		{status: 503, after: "-1", want: "answers 503"},
		{status: 500, want: "answers 500"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if string(body) != "text" || r.Header.Get("Content-Type") != "text/plain" || r.Header.Get("Content-Encoding") != "" || r.Header.Get("X-Key") != "k" {
				t.Errorf("%s %v", body, r.Header)
			}
			if c.after != "" {
				w.Header().Set("Retry-After", c.after)
			}
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(c.status)
			io.WriteString(w, c.body)
		}))
		to := Target{Transport: server.Client().Transport, URL: server.URL, Header: http.Header{"x-key": {"k"}}}
		answer, err := to.Post(t.Context(), "text/plain", []byte("text"))
		server.Close()
		if c.want == "" {
			if err != nil || string(answer) != c.body {
				t.Errorf("%d: %s, %v", c.status, answer, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, ErrRefused) != c.refused {
			t.Errorf("%d: %v", c.status, err)
		}
		after, _ := errors.AsType[*AfterError](err)
		if c.wait != 0 && (after == nil || after.After != c.wait) || c.wait == 0 && after != nil {
			t.Errorf("%d: %v, want a wait of %v", c.status, after, c.wait)
		}
	}
}

func TestPostWithoutAReceiver(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	for _, address := range []string{server.URL, "://"} {
		to := Target{Transport: NewTransport(), URL: address}
		if _, err := to.Post(t.Context(), "text/plain", nil); err == nil || errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestSecretsInAnAddressAreNotTold(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	to := Target{Transport: server.Client().Transport, URL: strings.Replace(server.URL, "//", "//me:secret@", 1)}
	if _, err := to.Post(t.Context(), "text/plain", nil); err == nil || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "0": 0, "120": 2 * time.Minute, "1.5": 0, "99999999999": 0,
		now.Add(time.Minute).Format(http.TimeFormat):  time.Minute,
		now.Add(-time.Minute).Format(http.TimeFormat): 0,
	} {
		if got := retryAfter(text, now); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestPostPacks(t *testing.T) {
	var got []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		unpacked, err := gzip.NewReader(r.Body)
		if err != nil || r.Header.Get("Content-Encoding") != "gzip" {
			t.Errorf("%v %v", r.Header, err)
			return
		}
		body, _ := io.ReadAll(unpacked)
		got = append(got, string(body))
	}))
	defer server.Close()
	to := Target{Transport: server.Client().Transport, URL: server.URL, Gzip: true}
	for _, text := range []string{"first", "second"} {
		if _, err := to.Post(t.Context(), "text/plain", []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(got, []string{"first", "second"}) {
		t.Error(got)
	}
}
