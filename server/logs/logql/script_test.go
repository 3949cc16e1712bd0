package logql

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var rewrite = flag.Bool("rewrite", false, "put the actual answers into the scripts")

// TestScripts runs testdata/*.txt: blocks of lines up to an empty one, the answer after "----". The first word says what a block is:
//
//	logs     the lines that there are: seconds level name=value … | message
//	query    what it gives at 100 s, or of all lines, the oldest first; range=FROM,TO,STEP and limit=N may stand before it
//	parse    how it is written after it was read
//	plan     what is asked of the source
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { runScript(t, file) })
	}
}

func runScript(t *testing.T, file string) {
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	source := &memory{}
	blocks := strings.Split(strings.TrimRight(string(content), "\n"), "\n\n")
	for i, block := range blocks {
		if strings.HasPrefix(block, "#") && !strings.Contains(block, "\n") {
			continue
		}
		ask, want, _ := strings.Cut(block+"\n", "----\n")
		got := answer(t, source, strings.TrimSuffix(ask, "\n"))
		if got != strings.TrimSuffix(want, "\n") && !*rewrite {
			t.Errorf("%s:\n%s----\n%s\nwant:\n%s", file, ask, got, want)
		}
		if !strings.HasPrefix(ask, "logs") {
			blocks[i] = strings.TrimSuffix(ask+"----\n"+got, "\n")
		}
	}
	if *rewrite {
		if err := os.WriteFile(file, []byte(strings.Join(blocks, "\n\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func answer(t *testing.T, source *memory, ask string) string {
	word, rest, _ := strings.Cut(ask, "\n")
	command, text, _ := strings.Cut(word, " ")
	text = strings.TrimSuffix(text+"\n"+rest, "\n")
	switch command {
	case "logs":
		source.entries = nil
		for line := range strings.Lines(rest) {
			source.entries = append(source.entries, parseEntry(strings.TrimSuffix(line, "\n"), func(s string) int64 { return int64(at(t, s)) }))
		}
		return ""
	case "parse":
		e, err := Parse(text)
		if err != nil {
			return err.Error()
		}
		return e.String()
	case "plan":
		e, err := ParseLog(text)
		if err != nil {
			return err.Error()
		}
		q := plan(e, 0, 0)
		return fmt.Sprintf("matchers %v levels %07b words %q", q.Matchers, q.Levels, q.Terms)
	case "query":
		return both(t, source, text)
	}
	t.Fatalf("unknown command %q", command)
	return ""
}

// both asks twice, of a source that gives only what matches and of one that gives everything, which must not matter.
func both(t *testing.T, source *memory, text string) string {
	p := Params{From: 0, To: int64(100 * time.Second), Forward: true}
	for strings.HasPrefix(text, "range=") || strings.HasPrefix(text, "limit=") {
		option, rest, _ := strings.Cut(text, " ")
		text = rest
		if n, ok := strings.CutPrefix(option, "limit="); ok {
			p.Limit, _ = strconv.Atoi(n)
			p.Forward = false
			continue
		}
		times := strings.Split(strings.TrimPrefix(option, "range="), ",")
		p.From, p.To, p.Step = int64(at(t, times[0])), int64(at(t, times[1])), at(t, times[2])
	}
	e, err := Parse(text)
	if err != nil {
		return err.Error()
	}
	var got [2]string
	for i, loose := range []bool{false, true} {
		source.loose = loose
		result, err := New(source, Limits{}).Query(t.Context(), e, p)
		if err != nil {
			got[i] = err.Error()
		} else {
			got[i] = show(result)
		}
	}
	if got[0] != got[1] {
		t.Errorf("%s\npruned:\n%s\nnot pruned:\n%s", text, got[0], got[1])
	}
	return got[0]
}

func at(t *testing.T, seconds string) time.Duration {
	f, err := strconv.ParseFloat(seconds, 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(f * 1e9)
}

// show writes a result: streams are told by what is not the service.
func show(r *Result) string {
	var out []string
	for _, l := range r.Lines {
		out = append(out, fmt.Sprintf("%gs %s %s", float64(l.Time)/1e9, slices.Concat(l.Meta, l.Parsed), l.Text))
	}
	for _, s := range r.Series {
		line := s.Labels.String()
		for _, p := range s.Points {
			line += fmt.Sprintf(" %.10g", p.Value)
			if r.Kind == Matrix {
				line += fmt.Sprintf("@%g", float64(p.Time)/1e9)
			}
		}
		out = append(out, line)
	}
	if r.Kind == Scalar {
		out = append(out, fmt.Sprintf("%.10g", r.Scalar.Value))
	}
	if out == nil {
		return "nothing"
	}
	return strings.Join(out, "\n")
}
