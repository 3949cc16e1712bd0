package ingest

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func packed(t *testing.T, size int) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(make([]byte, size))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestBodies(t *testing.T) {
	bomb := packed(t, 1<<20)
	for name, tc := range map[string]struct {
		body     io.Reader
		encoding string
		want     int // bytes, or the error
		err      error
	}{
		"plain":            {body: strings.NewReader("hello"), want: 5},
		"identity":         {body: strings.NewReader("hello"), encoding: "identity", want: 5},
		"gzip":             {body: bytes.NewReader(packed(t, 1000)), encoding: "GZIP", want: 1000},
		"at the bound":     {body: bytes.NewReader(make([]byte, 2000)), want: 2000},
		"too large":        {body: bytes.NewReader(make([]byte, 2001)), err: ErrTooLarge},
		"too large, chunk": {body: io.MultiReader(bytes.NewReader(make([]byte, 2001))), err: ErrTooLarge},
		"gzip bomb":        {body: bytes.NewReader(bomb), encoding: "gzip", err: ErrTooLarge},
		"no gzip":          {body: strings.NewReader("hello"), encoding: "gzip", err: ErrRefused},
		"half a gzip":      {body: bytes.NewReader(packed(t, 1000)[:20]), encoding: "gzip", err: ErrRefused},
		"unknown":          {body: strings.NewReader("hello"), encoding: "br", err: ErrEncoding},
	} {
		t.Run(name, func(t *testing.T) {
			in, got := Intake{MaxBody: 2000}, -1
			r := httptest.NewRequest(http.MethodPost, "/", tc.body)
			r.Header.Set("Content-Encoding", tc.encoding)
			err := in.Read(httptest.NewRecorder(), r, func(body []byte) error { got = len(body); return nil })
			if !errors.Is(err, tc.err) || tc.err == nil && (err != nil || got != tc.want) || tc.err != nil && got != -1 {
				t.Errorf("%d bytes, error %v", got, err)
			}
		})
	}
}

func TestBodiesAtATime(t *testing.T) {
	in := Intake{MaxOpen: 1}
	post := func(use func([]byte) error) error {
		return in.Read(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", strings.NewReader("x")), use)
	}
	err := post(func([]byte) error {
		return post(func([]byte) error { return nil })
	})
	if !errors.Is(err, ErrFull) {
		t.Errorf("a second body: %v", err)
	}
	if err := post(func([]byte) error { return nil }); err != nil {
		t.Errorf("the place is not given back: %v", err)
	}
}

func TestStatus(t *testing.T) {
	for _, tc := range []struct {
		err    error
		status int
		after  string
	}{
		{ErrTooLarge, 413, ""},
		{ErrEncoding, 415, ""},
		{ErrRefused, 400, ""},
		{ErrFull, 429, "1"},
		{&FullError{After: 1}, 429, "1"},
		{&FullError{After: 2e9}, 429, "2"},
		{io.ErrUnexpectedEOF, 503, "1"},
	} {
		h := http.Header{}
		if got := Status(h, tc.err); got != tc.status || h.Get("Retry-After") != tc.after {
			t.Errorf("%v is %d, after %q", tc.err, got, h.Get("Retry-After"))
		}
	}
	if (&FullError{Reason: "x"}).Error() == "" || (&PartialError{Reason: "x"}).Error() == "" {
		t.Error("an error without text")
	}
}
