package exchange

import (
	"net/http"
	"slices"
	"testing"
)

func TestFieldsAreCanonical(t *testing.T) {
	h := http.Header{}
	var f Header = Fields(h)
	f.Set("x-request-id", "1")
	f.Add("X-REQUEST-ID", "2")
	if got := h["X-Request-Id"]; !slices.Equal(got, []string{"1", "2"}) {
		t.Errorf("the http.Header has %q", got)
	}
	if f.Get("X-request-Id") != "1" || len(f.Values("x-request-id")) != 2 || f.Get("None") != "" {
		t.Errorf("got %q, %q", f.Get("X-request-Id"), f.Values("x-request-id"))
	}
	lines := 0
	for name := range f.All() {
		if lines++; name != "X-Request-Id" {
			t.Errorf("name %q", name)
		}
	}
	for range f.All() {
		break
	}
	f.Del("x-request-id")
	if lines != 2 || len(h) != 0 {
		t.Errorf("%d lines, left: %v", lines, h)
	}
}

func TestAddNeverWritesIntoASharedSlice(t *testing.T) {
	shared := make([]string, 1, 4)
	a, b := Fields{"Vary": shared}, Fields{"Vary": shared}
	a.Add("Vary", "a")
	b.Add("Vary", "b")
	if a["Vary"][1] != "a" || b["Vary"][1] != "b" {
		t.Errorf("%q %q", a["Vary"], b["Vary"])
	}
}

func TestConversionDoesNotAllocate(t *testing.T) {
	h := http.Header{"A": {"1"}}
	var f Header
	if n := testing.AllocsPerRun(100, func() { f = Fields(h); f.Get("A") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestDropHopByHop(t *testing.T) {
	f := Fields{
		"Connection": {"close, x-private", " Keep-Alive"}, "X-Private": {"1"}, "Keep-Alive": {"1"}, "Te": {"trailers"},
		"Transfer-Encoding": {"chunked"}, "Upgrade": {"h2c"}, "Trailer": {"X"}, "Proxy-Authorization": {"secret"}, "Accept": {"*/*"},
	}
	DropHopByHop(f)
	if len(f) != 1 || f.Get("Accept") == "" {
		t.Errorf("left: %v", f)
	}
}

func TestTokens(t *testing.T) {
	lines := []string{" a ,, b", "", "C\t,"}
	if got := slices.Collect(Tokens(lines)); !slices.Equal(got, []string{"a", "b", "C"}) {
		t.Errorf("%q", got)
	}
	if !HasToken(lines, "c") || HasToken(lines, "a ") || HasToken(nil, "") {
		t.Error("HasToken")
	}
	for range Tokens(lines) {
		break
	}
}

func TestFixed(t *testing.T) {
	f, err := NewFixed(200, map[string]string{"x-a": "1"}, map[string]any{"items": []int{}, "degraded": true}, "")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		a := f.Answer(&Exchange{})
		if got := read(t, a); got != `{"degraded":true,"items":[]}` || a.Status != 200 || a.Header.Get("X-A") != "1" || a.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%d %v %s", a.Status, a.Header, got)
		}
	}
	f, err = NewFixed(503, map[string]string{"Content-Type": "text/html"}, nil, "<p>")
	if err != nil || f.Status() != 503 {
		t.Fatal(f, err)
	}
	if a := f.Answer(&Exchange{}); read(t, a) != "<p>" || a.Header.Get("Content-Type") != "text/html" {
		t.Errorf("%v", a.Header)
	}
	if f, err = NewFixed(204, nil, nil, ""); err != nil || f.Answer(&Exchange{}).Body != nil {
		t.Error(f, err)
	}
	x := &Exchange{}
	if n := testing.AllocsPerRun(100, func() { f.Answer(x) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestFixedRefusesWhatCannotBeSent(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		header map[string]string
		value  any
		body   string
	}{
		"status too small":  {101, nil, nil, ""},
		"status too large":  {600, nil, nil, ""},
		"both bodies":       {200, nil, 1, "x"},
		"no JSON":           {200, nil, func() {}, ""},
		"body with 204":     {204, nil, nil, "x"},
		"name":              {200, map[string]string{"a b": "1"}, nil, ""},
		"empty name":        {200, map[string]string{"": "1"}, nil, ""},
		"value":             {200, map[string]string{"a": "1\r\nb: 2"}, nil, ""},
		"hop-by-hop":        {200, map[string]string{"connection": "close"}, nil, ""},
		"the body's length": {200, map[string]string{"content-length": "3"}, nil, ""},
	} {
		if f, err := NewFixed(c.status, c.header, c.value, c.body); err == nil {
			t.Errorf("%s: accepted as %+v", name, f)
		}
	}
}
