package where

import (
	"errors"
	"strings"
	"testing"

	"github.com/gabion-io/gabion/server/logs/entry"
)

var lines = map[string]*entry.Entry{
	"failure": {Level: entry.Error, Service: "checkout", Handler: "/pay", Message: "Payment FAILED", Attrs: []entry.Attr{{Name: "status", Value: "503"}, {Name: "duration", Value: "1.5s"}}},
	"audit":   {Level: entry.Info, Service: "admin", Message: "role given", Attrs: []entry.Attr{{Name: "tag", Value: "audit"}, {Name: "user", Value: "a b"}}},
	"tags":    {Level: entry.Info, Service: "admin", Attrs: []entry.Attr{{Name: "tags", Value: `["audit","night shift",7]`}}},
	"commas":  {Level: entry.Debug, Service: "admin", Attrs: []entry.Attr{{Name: "tag", Value: "x, audit"}}},
	"near":    {Level: entry.Warn, Service: "admin", Attrs: []entry.Attr{{Name: "tag", Value: "audited"}, {Name: "status", Value: "none"}}},
	"bare":    {Message: "no level"},
}

func TestHolds(t *testing.T) {
	for text, want := range map[string]string{
		"level>=error":                       "failure",
		"level>=error or tag:audit":          "audit commas failure tags",
		"level=info":                         "audit tags",
		"level:info":                         "audit tags",
		"level==warning":                     "near",
		"level!=info":                        "bare commas failure near",
		"level<warn":                         "audit commas tags",
		"level<=warn and level>debug":        "audit near tags",
		"not level>=error":                   "audit bare commas near tags",
		`tags:"night shift"`:                 "tags",
		"tag=audit":                          "audit",
		"tag!=audit":                         "bare commas failure near tags",
		"status>=500":                        "failure",
		"status<500":                         "",
		"not status<500":                     "audit bare commas failure near tags",
		"duration>1s":                        "failure",
		"duration>1000ms and duration<=1.5s": "failure",
		"duration>2":                         "",
		"service=admin and not tag:audit":    "near",
		"service=admin and not (tag:audit or x=y)":     "near",
		"level=error or service=admin and tag=none":    "failure",
		"(level=error or service=admin) and tag=audit": "audit",
		"handler=/pay":                     "failure",
		"message:failed":                   "failure",
		`message="role given"`:             "audit",
		`"user"="a b"`:                     "audit",
		`user:a`:                           "audit",
		`message="no \level"`:              "bare",
		"not not level>=error":             "failure",
		" level >= error\n\tor level=warn": "failure near",
		"trace=x or instance=y":            "",
		"service!=admin":                   "bare failure",
	} {
		c, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		var got []string
		for _, name := range []string{"audit", "bare", "commas", "failure", "near", "tags"} {
			if c.Holds(lines[name]) {
				got = append(got, name)
			}
		}
		if got := strings.Join(got, " "); got != want {
			t.Errorf("%s holds for %q, want %q", text, got, want)
		}
		if c.String() != strings.TrimSpace(text) {
			t.Errorf("%q is shown as %q", text, c)
		}
	}
	if (Condition{}).Holds(lines["failure"]) {
		t.Error("the zero value holds")
	}
}

func TestSyntax(t *testing.T) {
	for text, want := range map[string]string{
		"":                         `column 1: a condition such as level>=error is missing before the end`,
		"level":                    `column 6: an operator is missing between "level" and the end`,
		"level>=":                  `column 8: the value of "level" is missing before the end`,
		"level>=eror":              `column 8: "eror" is no level`,
		"level>=error tag:audit":   `column 14: "and" or "or" is missing before "tag"`,
		"level>=error or":          `column 16: a condition such as level>=error is missing before the end`,
		"or level>=error":          `column 1: a condition such as level>=error is missing before "or"`,
		"(level>=error":            `column 14: ) is missing before the end`,
		"level>=error)":            `column 13: "and" or "or" is missing before ")"`,
		"status>high":              `column 8: "status" is compared with a number or a duration, not with "high"`,
		`service="a`:               `column 9: the quote is not closed`,
		`"service=a`:               `column 1: the quote is not closed`,
		`""=a`:                     `column 1: the name is empty`,
		"level ~ error":            `column 7: an operator is missing between "level" and "~"`,
		"level ! error":            `column 7: an operator is missing between "level" and "!"`,
		"a=b and {c=d}":            `column 9: a condition such as level>=error is missing before "{"`,
		strings.Repeat("(", 60):    `column 51: it is nested more than 50 times`,
		strings.Repeat("a", 5000):  `column 4097: it has 5000 bytes, 4096 are allowed`,
		strings.Repeat("not ", 60): `column 201: it is nested more than 50 times`,
	} {
		_, err := Parse(text)
		syntax, ok := errors.AsType[*SyntaxError](err)
		if !ok || err.Error() != want {
			t.Errorf("%.20q: %v, want %s", text, err, want)
		} else if syntax.Offset > len(text) || (len(text) <= maxText && syntax.Offset+syntax.Length > len(text)) {
			t.Errorf("%.20q: %d bytes from %d are out of it", text, syntax.Length, syntax.Offset)
		}
	}
	_, err := Parse("level>=eror")
	if syntax, _ := errors.AsType[*SyntaxError](err); syntax == nil || syntax.Got != "eror" || len(syntax.Allowed) != 6 || syntax.Length != 4 {
		t.Errorf("%+v", syntax)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"level>=error or tag:audit", `not (a="b\"" and c!=d)`, "status>=500", "x<1s", "((", `"`} {
		f.Add(seed, "audit", "7")
	}
	f.Fuzz(func(t *testing.T, text, first, second string) {
		c, err := Parse(text)
		if syntax, ok := errors.AsType[*SyntaxError](err); err != nil && (!ok || syntax.Offset < 0 || syntax.Offset > len(text) || syntax.Problem == "") {
			t.Fatalf("%q: %v", text, err)
		}
		e := entry.Entry{Level: entry.Error, Message: first, Service: second, Attrs: []entry.Attr{{Name: "tag", Value: first}, {Name: "status", Value: second}}}
		holds := c.Holds(&e)
		if err != nil {
			return
		}
		opposite, err := Parse("not (" + c.String() + ")")
		if err == nil && opposite.Holds(&e) == holds {
			t.Errorf("%q and its opposite are both %v", text, holds)
		}
	})
}

func BenchmarkHolds(b *testing.B) {
	c, err := Parse("level>=error or tag:audit")
	if err != nil {
		b.Fatal(err)
	}
	e := &entry.Entry{Level: entry.Info, Service: "catalog", Message: "served", Attrs: []entry.Attr{{Name: "status", Value: "200"}, {Name: "path", Value: "/product/7"}, {Name: "user", Value: "u1"}}}
	b.ReportAllocs()
	for b.Loop() {
		if c.Holds(e) {
			b.Fatal("it holds")
		}
	}
}
