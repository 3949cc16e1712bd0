package overload

import (
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// docs is where the whole suite is written to; without it, a small part of it is written to a folder that is thrown away.
var docs = flag.String("docs", "", "play the whole suite and write overload.md in this folder")

var all = flag.Bool("all", false, "with -docs: all seeds for all numbers of workers, which takes half an hour")

// inBubble plays a run whose limiter reads the clock: each event of the simulation waits until it is due.
func inBubble(t *testing.T) func(r *Run) *Record {
	return func(r *Run) (rec *Record) {
		synctest.Test(t, func(*testing.T) {
			begin := time.Now()
			rec = r.Play(func(until Instant) { time.Sleep(time.Until(begin.Add(until))) })
		})
		return rec
	}
}

// peers plays all peers at once, each of them one run after the other.
func peers(t *testing.T, s Size) (tables string, curves []Line) {
	text := make([]string, len(Peers))
	curves = make([]Line, len(Peers))
	t.Run("peers", func(t *testing.T) {
		for i, c := range Peers {
			t.Run(c.Name, func(t *testing.T) {
				t.Parallel()
				chapter := Chapter{Title: c.Name, About: "First come, first served.", Parts: PeerParts(c, s)}
				var outcomes []Outcome
				for _, p := range chapter.Parts {
					outcomes = append(outcomes, p.PlayWith(inBubble(t))...)
				}
				text[i] = chapter.Markdown(outcomes, false)
				curves[i] = Curve(c, inBubble(t))
			})
		}
	})
	return strings.Join(text, ""), curves
}

func TestReport(t *testing.T) {
	if *docs != "" {
		size := Whole(*all)
		tables, curves := peers(t, size)
		if err := Write(*docs, size, tables, curves); err != nil {
			t.Fatal(err)
		}
		return
	}
	lineWorkers, curveLoads = 10, curveLoads[:8] // small pictures
	dir := t.TempDir()
	file := filepath.Join(dir, "overload.md")
	if err := os.WriteFile(file, []byte("before\n<!-- overload: begin (made by make overload) -->\nold\n<!-- overload: end -->\nafter\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	small := Size{Scenarios: Scenarios[1:2], Seeds: Seeds(1, 1), Others: Seeds(11, 11), Fresh: Seeds(21, 21)}
	if err := Write(dir, small, "### peers\n", nil); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"before\n", "### The limit is found", "| steps | light | 2 |", "### No limiter", "### peers", "after\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "old") {
		t.Error("what the section held before is still there")
	}
	for _, name := range []string{"goodput.svg", "step.svg", "slower.svg"} {
		wellFormed(t, filepath.Join(dir, "overload", name))
	}
}

func wellFormed(t *testing.T, file string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := 0
	for d := xml.NewDecoder(f); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "polyline" {
			lines++
		}
	}
	if lines < 3 {
		t.Errorf("%s has %d lines", file, lines)
	}
}

// A peer that reads the clock finds the time of the simulation there, and plays the same run twice.
func TestPeersSeeVirtualTime(t *testing.T) {
	for _, c := range Peers {
		r := Run{Scenario: wait(0.5), Shape: &Shapes[0], Workers: 10, Seed: 1, Contender: c}
		a, b := inBubble(t)(&r).Result(), inBubble(t)(&r).Result()
		if a != b || a.Goodput < 0.9 {
			t.Errorf("%s at half the load: %+v, then %+v", c.Name, a, b)
		}
	}
}
