package exchange

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"testing"
	"time"
)

func read(t *testing.T, a *Answer) string {
	t.Helper()
	if a.Body == nil {
		return ""
	}
	b, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(b)) != a.Length {
		t.Fatalf("Length is %d, the body has %d bytes", a.Length, len(b))
	}
	return string(b)
}

func TestProblemIsCompletedFromItsType(t *testing.T) {
	x := &Exchange{RequestID: "r-1"}
	a := Problem{Type: RateLimited, Detail: "Too many.", RetryAfter: 1200500 * time.Microsecond}.Answer(x)
	want := `{"type":"urn:gabion:problem:rate-limited","title":"Rate limited","status":429,"detail":"Too many.","instance":"r-1","retry_after_ms":1201}` + "\n"
	if got := read(t, a); got != want {
		t.Errorf("body\n%s\nwant\n%s", got, want)
	}
	if a.Status != 429 || a.Header.Get("Retry-After") != "2" || a.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("status %d, header %v", a.Status, a.Header)
	}
	if x.Record.Problem != RateLimited {
		t.Errorf("Record.Problem is %q", x.Record.Problem)
	}
}

func TestRetryAfterIsRoundedUp(t *testing.T) {
	for _, c := range []struct {
		after  time.Duration
		want   string
		wantMS float64
	}{
		{0, "", 0},
		{1, "1", 1},
		{time.Millisecond, "1", 1},
		{time.Second, "1", 1000},
		{time.Second + 1, "2", 1001},
		{-time.Second, "", 0},
		{math.MaxInt64, "9223372037", 9223372036855},
	} {
		a := Problem{Type: Overloaded, RetryAfter: c.after}.Answer(&Exchange{})
		var got map[string]any
		if err := json.Unmarshal([]byte(read(t, a)), &got); err != nil {
			t.Fatal(err)
		}
		ms, given := got["retry_after_ms"].(float64)
		if a.Header.Get("Retry-After") != c.want || given != (c.wantMS > 0) || ms != c.wantMS {
			t.Errorf("%v: Retry-After %q, retry_after_ms %v; want %q, %v", c.after, a.Header.Get("Retry-After"), got["retry_after_ms"], c.want, c.wantMS)
		}
	}
}

func TestProblemIsAlwaysJSON(t *testing.T) {
	p := Problem{
		Status: 418, Type: "own \"type\"", Detail: "line\nbreak \xff \u2028", Title: "<b>",
		Extensions: map[string]any{"b": 1, "a\n": []string{"x"}, "bad": func() {}, "nan": math.NaN(), "status": 1, "title": "no"},
	}
	var got map[string]any
	if err := json.Unmarshal(p.AppendJSON(nil, "\x00id"), &got); err != nil {
		t.Fatal(err)
	}
	if got["status"] != 418.0 || got["title"] != "<b>" || got["b"] != 1.0 || got["instance"] != "\x00id" {
		t.Errorf("got %v", got)
	}
	if _, ok := got["bad"]; ok || len(got) != 7 {
		t.Errorf("members: %v", got)
	}
}

func TestUnknownTypeHasAStatusAndAnEmptyProblemIsInternal(t *testing.T) {
	if a := (Problem{Type: "mine"}).Answer(&Exchange{}); a.Status != 500 {
		t.Errorf("unknown type: status %d", a.Status)
	}
	x := &Exchange{}
	if a := (Problem{}).Answer(x); a.Status != 500 || x.Record.Problem != InternalError {
		t.Errorf("empty: status %d, type %q", a.Status, x.Record.Problem)
	}
}

func TestMethodNotAllowedListsTheMethods(t *testing.T) {
	a := Problem{Type: MethodNotAllowed, Allow: []string{"GET", "HEAD"}}.Answer(&Exchange{})
	if got := a.Header.Values("Allow"); len(got) != 1 || got[0] != "GET, HEAD" {
		t.Errorf("Allow: %q", got)
	}
	if got := (Problem{Type: MethodNotAllowed}).Answer(&Exchange{}).Header.Values("Allow"); len(got) != 1 {
		t.Errorf("RFC 9110 wants Allow even when it is empty, got %q", got)
	}
}

func TestRefusingAllocatesNextToNothing(t *testing.T) {
	x := &Exchange{RequestID: "0123456789abcdef"}
	p := Problem{Type: RateLimited, RetryAfter: time.Second, Detail: "The limit is used up."}
	p.Answer(x)
	if n := testing.AllocsPerRun(100, func() { p.Answer(x) }); n > 2 {
		t.Errorf("%v allocations, want 2 at most: the value of Retry-After", n)
	}
}

func TestResetLeavesNothingBehind(t *testing.T) {
	x := &Exchange{RequestID: "a", Params: []Param{{"id", "secret"}}}
	Problem{Type: RateLimited, RetryAfter: time.Second, Detail: strings.Repeat("x", 2*keepBuffer)}.Answer(x)
	x.Reset()
	if x.RequestID != "" || len(x.Params) != 0 || x.Params[:1][0] != (Param{}) || x.Record != (Record{}) {
		t.Errorf("left behind: %+v", x)
	}
	if len(x.own.header) != 0 || x.own.buffer != nil {
		t.Errorf("left behind: %v, a buffer of %d bytes", x.own.header, cap(x.own.buffer))
	}
}

func TestProblemOfTheBody(t *testing.T) {
	for err, want := range map[error]string{
		ErrBodyTooLarge: BodyTooLarge, ErrBodyBroken: BadRequest, ErrBodySlow: RequestTimeout,
		fmt.Errorf("sending: %w", ErrBodySlow): RequestTimeout,
		ErrClientGone:                          "", io.EOF: "",
	} {
		p, ok := ProblemOf(err)
		if p.Type != want || ok != (want != "") {
			t.Errorf("%v: %q, %v", err, p.Type, ok)
		}
	}
}

type talker struct {
	Client
	err error
}

func (c talker) BodyErr() error { return c.err }

func TestBodyErrAsksTheFront(t *testing.T) {
	if err := (&Exchange{Client: talker{err: ErrBodySlow}}).BodyErr(); !errors.Is(err, ErrBodySlow) {
		t.Errorf("got %v", err)
	}
	if err := (&Exchange{}).BodyErr(); err != nil {
		t.Errorf("without a front that knows: %v", err)
	}
}

// TestDocumentation holds docs/problems.md equal to Kinds. To write it anew: REWRITE=1 go test ./gateway/exchange
func TestDocumentation(t *testing.T) {
	const path = "../../../docs/problems.md"
	var b strings.Builder
	b.WriteString(`# Problems

Every answer that Gabion itself gives is ` + "`application/problem+json`" + ` (RFC 9457):

` + "```json" + `
`)
	b.Write(Problem{Type: RateLimited, Detail: "The limit per-user is used up.", RetryAfter: 1200 * time.Millisecond}.AppendJSON(nil, "0193f4a2c6d17bd0"))
	b.WriteString("```" + `

- ` + "`type`" + ` is ` + "`" + URN + "`" + ` and one of the words below. It is stable: clients decide by it. It is a name, not an address.
- ` + "`instance`" + ` is the id of the request, the same as in the logs and in ` + "`X-Request-Id`" + `.
- ` + "`retry_after_ms`" + ` says exactly when to come back; the field ` + "`Retry-After`" + ` says it in whole seconds, rounded up.
- Further members belong to the type. Unknown ones are to be ignored.

No problem names an address, a file or an error of the inside: those are in the log, under the same request id.

| type | status | title | when, and what to do |
|---|---|---|---|
`)
	for _, k := range Kinds {
		fmt.Fprintf(&b, "| `%s` | %d | %s | %s |\n", k.Type, k.Status, k.Title, k.Meaning)
	}
	b.WriteString(`
A request over HTTP/2 whose head is malformed or too large is refused by the protocol itself: the stream is reset, or the
status is 431 with a short text. There is no problem+json in these cases.

The admin API answers with problems as well; their types are their titles, as ` + "`urn:gabion:problem:token-needed`" + `, and its
OpenAPI document (` + "`GET /api/v1/openapi.json`" + `) says which status is given when.
`)
	if os.Getenv("REWRITE") != "" {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != b.String() {
		t.Error("docs/problems.md does not say what Kinds says; write it anew: REWRITE=1 go test ./gateway/exchange")
	}
}

func TestKindsAreUniqueAndComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range Kinds {
		if seen[k.Type] || !token(k.Type) || k.Status < 400 || k.Title == "" || k.Meaning == "" {
			t.Errorf("bad or double: %+v", k)
		}
		seen[k.Type] = true
	}
}
