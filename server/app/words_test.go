package app

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func newWords() (w *words, to *bytes.Buffer, kept *[]string) {
	to, kept = new(bytes.Buffer), new([]string)
	return &words{to: to, put: func(line []byte) { *kept = append(*kept, string(line)) }}, to, kept
}

func TestWordsAreCutIntoLines(t *testing.T) {
	w, to, kept := newWords()
	long := `{"msg":"long","text":"` + strings.Repeat("x", wordsLine) + "\"}\n"
	for _, part := range []string{
		"{\"msg\":\"a\"}\n{\"ms", "g\":\"", "b\"}\n", "panic: oh\n", "\n{}\n null\n[1]\n{\"msg\":\n", long[:100], long[100:] + `{"msg":"c"}`, "\n",
	} {
		if n, err := w.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatal(n, err)
		}
	}
	if got := strings.Join(*kept, " "); got != `{"msg":"a"} {"msg":"b"} {} {"msg":"c"}` {
		t.Error(got)
	}
	if !strings.Contains(to.String(), "panic: oh\n") || !strings.Contains(to.String(), long) {
		t.Errorf("not all is passed on: %.300s", to)
	}
	if cap(w.line) > 4*wordsLine {
		t.Errorf("%d bytes are held", cap(w.line))
	}
}

// TestWordsMakeNoCircle: a store that has something to say about every line that it is given.
func TestWordsMakeNoCircle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var given []string
		w := &words{to: new(bytes.Buffer)}
		w.put = func(line []byte) { given = append(given, string(line)) }
		say := func(i int) {
			fmt.Fprintf(w, "{\"level\":\"ERROR\",\"msg\":\"a line cannot be kept\",\"number\":%d}\n", i)
		}
		answered := 0
		say(0)
		for range 60 * 60 * 10 { // an hour
			for ; answered < len(given); answered++ {
				say(answered)
				say(answered)
			}
			say(-1)
			time.Sleep(100 * time.Millisecond)
		}
		if n := len(given); n < 500 || n > 10+600 {
			t.Errorf("%d lines in an hour", n)
		}
		if last := given[len(given)-1]; !strings.Contains(last, `,"left_out":`) || !strings.HasSuffix(last, "}") {
			t.Error(last)
		}
		before := len(given)
		for i := range 10_000 { // all different
			fmt.Fprintf(w, "{\"msg\":\"%d\"}\n", i)
		}
		if n := len(given) - before; n > 500 {
			t.Errorf("%d at once", n)
		}
		if len(w.kinds) > wordsKinds {
			t.Errorf("%d messages are remembered", len(w.kinds))
		}
		time.Sleep(time.Minute)
		fmt.Fprintln(w, `{"msg":"9999"}`)
		if last := given[len(given)-1]; last != `{"msg":"9999","left_out":1}` {
			t.Error(last)
		}
	})
}

type broken struct{}

var errBrokenPipe = errors.New("broken pipe")

func (broken) Write([]byte) (int, error) { return 0, errBrokenPipe }

func TestWordsAreKeptWhenNobodyReadsThem(t *testing.T) {
	w, _, kept := newWords()
	w.to = broken{}
	if _, err := w.Write([]byte("{\"msg\":\"a\"}\n")); !errors.Is(err, errBrokenPipe) || len(*kept) != 1 {
		t.Error(err, *kept)
	}
}
