package entry

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestLevels(t *testing.T) {
	for l := Unknown; l <= Fatal; l++ {
		if got := ParseLevel(strings.ToUpper(l.String())); got != l {
			t.Errorf("%v is read as %v", l, got)
		}
	}
	for word, want := range map[string]Level{"Warning": Warn, "err": Error, "CRITICAL": Fatal, "notice": Info, "": Unknown, "loud": Unknown} {
		if got := ParseLevel(word); got != want {
			t.Errorf("%q is %v, want %v", word, got, want)
		}
	}
	for word, want := range map[string]Level{
		"INFO+2": Info, "info+3": Info, "WARN-1": Info, "WARN+0": Warn, "DEBUG-4": Trace, "DEBUG-1": Trace, "DEBUG-99": Trace,
		"ERROR+3": Error, "ERROR+4": Fatal, "ERROR+92": Fatal, "INFO+": Unknown, "loud+1": Unknown, "+1": Unknown, "INFO+1+1": Unknown,
		"INFO+99999999999999999999": Unknown, "a-b": Unknown,
	} {
		if got := ParseLevel(word); got != want {
			t.Errorf("%q is %v, want %v", word, got, want)
		}
	}
	if Level(99).String() != "unknown" {
		t.Errorf("99 is %v", Level(99))
	}
}

func TestTrim(t *testing.T) {
	short := Entry{Service: "shop", Message: "all is well", Attrs: []Attr{{"user", "7"}}}
	if cut := short.Trim(); cut != "" {
		t.Errorf("cut %s of a short one", cut)
	}
	long := Entry{Service: strings.Repeat("ü", MaxName), Message: strings.Repeat("ü", MaxMessage), Attrs: make([]Attr, MaxAttrs+3)}
	for i := range long.Attrs {
		long.Attrs[i] = Attr{strings.Repeat("n", MaxName+1), strings.Repeat("v", MaxMessage/2+1)}
	}
	cut := long.Trim()
	for _, what := range []string{"service", "message", "3 attributes", "the name of an attribute"} {
		if !strings.Contains(cut, what) {
			t.Errorf("%q does not say that it cut %s", cut, what)
		}
	}
	if len(long.Service) > MaxName || len(long.Message) > MaxMessage || len(long.Attrs) != MaxAttrs || !utf8.ValidString(long.Service) || !utf8.ValidString(long.Message) {
		t.Errorf("%d %d %d", len(long.Service), len(long.Message), len(long.Attrs))
	}
	values := 0
	for _, a := range long.Attrs {
		values += len(a.Value)
	}
	if values > MaxMessage {
		t.Errorf("%d bytes of values", values)
	}
	if again := long.Trim(); again != "" {
		t.Errorf("cut %s of what was cut", again)
	}
}

func TestAttr(t *testing.T) {
	e := Entry{Attrs: []Attr{{"a", "1"}, {"b", ""}}}
	if v, ok := e.Attr("b"); v != "" || !ok {
		t.Error("b is not there")
	}
	if _, ok := e.Attr("c"); ok {
		t.Error("c is there")
	}
	if e.Size() < 160 {
		t.Error("it has no size")
	}
}
