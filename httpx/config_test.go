package httpx_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/httpx"
)

// problems are the fields that an error names.
func problems(t *testing.T, err error) string {
	t.Helper()
	var fields []string
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, problem := range joined.Unwrap() {
			field, ok := errors.AsType[*gabion.FieldError](problem)
			if !ok {
				t.Fatalf("%v names no field", problem)
			}
			fields = append(fields, field.Field)
		}
	}
	return strings.Join(fields, " ")
}

func TestTransportConfigIsChecked(t *testing.T) {
	pipe := pipeOf(t, gabion.Config{})
	for name, test := range map[string]struct {
		cfg  httpx.TransportConfig
		want string
	}{
		"zero":      {httpx.TransportConfig{}, ""},
		"off":       {httpx.TransportConfig{KeepBody: gabion.Off, ReadAhead: gabion.Off, BodyIdle: gabion.Off}, ""},
		"a pipe":    {httpx.TransportConfig{Pipe: pipe, Key: httpx.HostOf, RetryStatus: []int{429, 599}}, ""},
		"no retry":  {httpx.TransportConfig{RetryStatus: []int{}}, ""},
		"all wrong": {httpx.TransportConfig{KeepBody: -1, ReadAhead: -1, BodyIdle: -1, RetryStatus: []int{200, 600}, Key: httpx.HostOf}, "keep_body read_ahead body_idle retry_status retry_status key"},
		"two pipes": {httpx.TransportConfig{Pipe: pipe, Name: "x", Observer: gabion.ObserverFunc(func(gabion.Event) {})}, "observer name"},
	} {
		if got := problems(t, test.cfg.Validate()); got != test.want {
			t.Errorf("%s: problems with %q, want %q", name, got, test.want)
		}
		if transport, err := httpx.NewTransport(test.cfg); (err != nil) != (test.want != "") || (transport == nil) != (err != nil) {
			t.Errorf("%s: New says %v", name, err)
		}
	}
}

func TestHandlerConfigIsChecked(t *testing.T) {
	next := http.NotFoundHandler()
	for name, test := range map[string]struct {
		cfg  httpx.HandlerConfig
		want string
	}{
		"zero":      {httpx.HandlerConfig{}, ""},
		"off":       {httpx.HandlerConfig{Timeout: gabion.Off}, ""},
		"all wrong": {httpx.HandlerConfig{Timeout: -time.Second, Key: httpx.HostOf}, "timeout key"},
	} {
		if got := problems(t, test.cfg.Validate()); got != test.want {
			t.Errorf("%s: problems with %q, want %q", name, got, test.want)
		}
		if _, err := httpx.NewHandler(test.cfg, next); (err != nil) != (test.want != "") {
			t.Errorf("%s: New says %v", name, err)
		}
	}
	if _, err := httpx.NewHandler(httpx.HandlerConfig{}, nil); err == nil {
		t.Error("a handler that stands before nothing")
	}
}

func TestAHandlerCanRefuseInItsOwnWay(t *testing.T) {
	refused := gabion.Rejection("no")
	h := handler(t, httpx.HandlerConfig{
		Pipe: pipeOf(t, gabion.Config{}, &gate{refusal: refused}),
		Refuse: func(w http.ResponseWriter, r *http.Request, err error) {
			if !errors.Is(err, refused) || r.URL.Path != "/x" {
				t.Errorf("refuse %s: %v", r.URL, err)
			}
			w.WriteHeader(http.StatusTeapot)
		},
	}, says(200, ""))
	if a := get(t, plain(t), serve(t, h).URL+"/x"); a.status != http.StatusTeapot {
		t.Errorf("got %+v", a)
	}
}

func TestAKeyWithoutAPipeForItIsAnError(t *testing.T) {
	body := &source{Reader: strings.NewReader("x")}
	c := client(t, httpx.TransportConfig{Pipe: pipeOf(t, gabion.Config{}), Key: httpx.HostOf})
	if a := do(c, request(t, http.MethodPost, "http://service.test/", body)); a.err == nil || !body.closed.Load() {
		t.Errorf("got %+v", a)
	}
}
