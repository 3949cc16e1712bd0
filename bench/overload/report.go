package overload

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/gabion-io/gabion/bench/internal/section"
)

// Chapter is a table of the document.
type Chapter struct {
	Title, About string
	Parts        []Part
}

// Size says how much of the suite is played.
type Size struct {
	// Scenarios of the suite.
	Scenarios []Scenario
	// Seeds for up to ten workers, for a hundred and for a thousand. Others were looked at while the last constants were chosen. Fresh
	// ones are those that no constant was chosen with, for ten workers and for a hundred.
	Seeds, Hundred, Thousand, Others, Fresh, FreshHundred []uint64
}

// Whole is the size of the document: what two processors do in three minutes, or all seeds for all numbers of workers.
func Whole(all bool) Size {
	if all {
		return Size{Scenarios, Seeds(1, 10), Seeds(1, 10), Seeds(1, 10), Seeds(11, 20), Seeds(21, 30), Seeds(21, 30)}
	}
	return Size{Scenarios, Seeds(1, 10), Seeds(1, 5), Seeds(1, 1), Seeds(11, 20), Seeds(21, 30), Seeds(21, 23)}
}

// first is the first n of the seeds, or all.
func first(n int, seeds []uint64) []uint64 { return seeds[:min(n, len(seeds))] }

// Chapters of ours.
func Chapters(s Size) []Chapter {
	parts := func(c Contender, shapes []Shape, ten, hundred, thousand []uint64) (all []Part) {
		for i, seeds := range [][]uint64{ten, hundred, thousand} {
			if len(seeds) > 0 {
				workers := []int{10, 100, 1000}[i : i+1]
				all = append(all, Part{Contender: c, Scenarios: s.Scenarios, Shapes: shapes, Workers: workers, Seeds: seeds})
			}
		}
		return all
	}
	shared := func(parts []Part) []Part {
		for i := range parts {
			parts[i].Sharing = true
		}
		return parts
	}
	return []Chapter{
		{"The limit is found", "First come, first served.", parts(Ours, Shapes, s.Seeds, s.Hundred, s.Thousand)},
		{"The number of workers is known", "First come, first served; the limit is the number of workers.", parts(Pool, Shapes, s.Seeds, s.Hundred, s.Thousand)},
		{"The number of workers is known, and calls share them", "Processor sharing, as of a service whose calls only compute.", shared(parts(Pool, Shapes, first(3, s.Seeds), first(1, s.Hundred), nil))},
		{"The limit is found, and calls share the workers", "Processor sharing.", shared(parts(Ours, Shapes, first(3, s.Seeds), first(1, s.Hundred), nil))},
		{"Few workers", "First come, first served. A run misses a goal when it is more than five points behind the pool at the same seed.", []Part{
			{Contender: Ours, Scenarios: s.Scenarios, Shapes: Shapes, Workers: []int{1, 2}, Seeds: s.Seeds},
		}},
		{"A deadline that is too near", "First come, first served; calls as those of exp, with a deadline of 3.6 times their 99th percentile.", parts(Ours, Tight, s.Seeds, s.Hundred, s.Thousand)},
		{
			"Other shapes and seeds", "First come, first served; shapes and seeds that were looked at while the last constants were chosen.",
			append(parts(Ours, Others, s.Others, nil, nil), parts(Ours, Shapes, s.Others, nil, nil)...),
		},
		{"Unseen shapes", "First come, first served; shapes and seeds with which no constant was chosen.", parts(Ours, Unseen, s.Fresh, s.FreshHundred, nil)},
		{"Unseen seeds", "First come, first served; the shapes of above, with seeds with which no constant was chosen.", parts(Ours, Shapes, s.Fresh, nil, nil)},
		{"No limiter", "First come, first served.", parts(None, Shapes, first(1, s.Seeds), nil, nil)},
	}
}

// PeerParts are what the peers play: less, because each event costs a switch of goroutines, and some of them much more.
func PeerParts(c Contender, s Size) []Part {
	parts := []Part{{Contender: c, Scenarios: s.Scenarios, Shapes: Shapes[1:3], Workers: []int{10}, Seeds: first(2, s.Seeds)}}
	var few []Scenario
	for _, sc := range s.Scenarios {
		if sc.load <= 2 && (sc.Group == Steps || sc.Group == Cold || sc.Group == Slower) {
			few = append(few, sc)
		}
	}
	return append(parts, Part{Contender: c, Scenarios: few, Shapes: Shapes[1:3], Workers: []int{100}, Seeds: first(1, s.Hundred)})
}

// Markdown of a chapter, with what missed its goal if details are wanted.
func (c *Chapter) Markdown(outcomes []Outcome, details bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n\n%s", c.Title, c.About)
	for _, p := range c.Parts {
		fmt.Fprintf(&b, " %s.", p.about())
	}
	fmt.Fprintf(&b, " %d runs, %d of them miss a goal.", len(outcomes), len(missed(outcomes)))
	b.WriteString("\n\n" + Table(outcomes) + "\n")
	if list := missed(outcomes); details && len(list) > 0 {
		fmt.Fprintf(&b, "<details><summary>The runs that missed a goal</summary>\n\n%s\n</details>\n\n", strings.Join(list, "\n"))
	}
	return b.String()
}

// about says what the part plays.
func (p *Part) about() string {
	var workers, shapes []string
	for _, w := range p.Workers {
		workers = append(workers, strconv.Itoa(w))
	}
	for _, s := range p.Shapes {
		shapes = append(shapes, s.Name)
	}
	seeds := fmt.Sprintf("seed %d", p.Seeds[0])
	if n := len(p.Seeds); n > 1 {
		seeds = fmt.Sprintf("seeds %d–%d", p.Seeds[0], p.Seeds[n-1])
	}
	what := strings.Join(workers, " and ") + " workers"
	if len(workers) == 1 && workers[0] == "1" {
		what = "1 worker"
	}
	return fmt.Sprintf("%s: %s, %s", what, strings.Join(shapes, ", "), seeds)
}

// missed lists the runs that missed a goal.
func missed(outcomes []Outcome) []string {
	var list []string
	for _, o := range outcomes {
		if o.Missed.Any() {
			list = append(list, fmt.Sprintf("- %s, %s, %s, %d workers, seed %d: goodput %s %%, p99 %.2f, refused %s %%, recovery %s s, watched %s %%",
				o.Scenario.Group, o.Scenario.Name, o.Shape.Name, o.Workers, o.Seed, percent(o.Result.Goodput), o.Result.Tail,
				percent(o.Result.Refused), seconds(o.Result.Recovery), percent(o.Result.Marked)))
		}
	}
	return list
}

// Write plays the suite and writes the section of the document in the folder, and the pictures beside it. The peers' tables
// and curves were made by the caller, who has a bubble for them.
func Write(dir string, s Size, peers string, curves []Line) error {
	var b strings.Builder
	b.WriteString("\n")
	for _, c := range Chapters(s) {
		var outcomes []Outcome
		for _, p := range c.Parts {
			outcomes = append(outcomes, p.Play()...)
		}
		b.WriteString(c.Markdown(outcomes, c.Parts[0].Contender.Name == Ours.Name))
	}
	b.WriteString(peers)
	play := func(r *Run) *Record { return r.Play(nil) }
	own := []Line{Curve(Ours, play), Curve(Pool, play)}
	pictures := Courses()
	pictures["goodput.svg"] = Curves(slices.Concat(own, curves, []Line{Curve(None, play)}))
	if err := os.MkdirAll(filepath.Join(dir, "overload"), 0o755); err != nil {
		return err
	}
	for name, plot := range pictures {
		if err := os.WriteFile(filepath.Join(dir, "overload", name), []byte(plot.SVG()), 0o644); err != nil {
			return err
		}
	}
	return section.Write(filepath.Join(dir, "overload.md"), "overload", b.String())
}
