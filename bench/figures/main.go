// Command figures reads the output of `go test -bench` and makes a table of what each benchmark reports: its time, and its
// own figures such as lines/CPU-s, beside the goals. It writes it to a section of docs/performance.md.
package main

import (
	"bufio"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gabion-io/gabion/bench/internal/section"
	"github.com/gabion-io/gabion/internal/yardstick"
)

func main() {
	out := flag.String("out", "../docs/performance.md", "the file whose section is written; empty: only print")
	command := flag.String("section", "bench-store", "the section, which has the name of its make target")
	flag.Parse()
	if err := run(os.Stdin, *out, *command); err != nil {
		fmt.Fprintln(os.Stderr, "figures:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out, command string) error {
	all, err := read(in)
	if err != nil {
		return err
	}
	text := "\n" + section.Measured() + " Median of the runs [min–max]; where a yardstick tells whether another guest of the machine was using the other halves of its cores, of the calm runs, in which none was, or the three calmest.\n\n" + table(all)
	fmt.Print(text)
	if out == "" {
		return nil
	}
	return section.Write(out, command, text)
}

// figure is one value that a benchmark reports, of all runs.
type figure struct {
	where, name, unit string
	runs              []yardstick.Sample
}

var (
	line = regexp.MustCompile(`^Benchmark(\S+?)(?:-\d+)?\s+\d+\s+(.*)`)
	pair = regexp.MustCompile(`([\d.e+]+) (\S+)`)
)

// besides are units that are not worth a row each.
var besides = []string{"B/op", "allocs/op", "MB/s", "hits", yardstick.Unit}

func read(in io.Reader) (all []*figure, err error) {
	lines := bufio.NewScanner(in)
	where := ""
	for lines.Scan() {
		text := lines.Text()
		if pkg, is := strings.CutPrefix(text, "pkg: "); is {
			where = pkg[strings.LastIndex(pkg, "/server/")+len("/server/"):]
		}
		if strings.HasPrefix(text, "FAIL") {
			err = errors.New("a benchmark failed")
		}
		m := line.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		if wrong := note(&all, where, m[1], m[2]); wrong != nil {
			return nil, wrong
		}
	}
	all = slices.DeleteFunc(all, func(f *figure) bool { return f.unit == "ns/op" && hasRate(all, f) })
	if len(all) == 0 {
		err = errors.Join(err, errors.New("no benchmarks in the input"))
	}
	return all, errors.Join(err, lines.Err())
}

// note notes the figures that are in the text of one run of a benchmark.
func note(all *[]*figure, where, name, text string) error {
	values, units := map[string]float64{}, []string{}
	for _, p := range pair.FindAllStringSubmatch(text, -1) {
		value, err := strconv.ParseFloat(p[1], 64)
		if err != nil {
			return err
		}
		values[p[2]], units = value, append(units, p[2])
	}
	for _, unit := range units {
		if !slices.Contains(besides, unit) {
			f := find(all, where, name, unit)
			f.runs = append(f.runs, yardstick.Sample{Value: values[unit], Yardstick: values[yardstick.Unit]})
		}
	}
	return nil
}

// hasRate says whether a benchmark reports how many of something it does in a second: then the time of all of them says
// nothing.
func hasRate(all []*figure, of *figure) bool {
	return slices.ContainsFunc(all, func(f *figure) bool {
		return f.where == of.where && f.name == of.name && strings.HasSuffix(f.unit, "s") && strings.Contains(f.unit, "/")
	})
}

func find(all *[]*figure, where, name, unit string) *figure {
	for _, f := range *all {
		if f.where == where && f.name == name && f.unit == unit {
			return f
		}
	}
	f := &figure{where: where, name: name, unit: unit}
	*all = append(*all, f)
	return f
}

func table(all []*figure) string {
	var b strings.Builder
	b.WriteString("| | | figure | unit | goal | calm runs |\n|---|---|---|---|---|---|\n")
	shortest := math.Inf(1)
	for _, f := range all {
		if f.runs[0].Yardstick > 0 {
			shortest = yardstick.Shortest(shortest, f.runs)
		}
	}
	for _, f := range all {
		values, calm := f.chosen(shortest)
		factor, unit := scale(f.unit, values[len(values)-1])
		show := func(v float64) string { return strconv.FormatFloat(rounded(v*factor), 'f', -1, 64) }
		text := show(values[len(values)/2])
		if len(values) > 1 {
			text += " [" + show(values[0]) + "–" + show(values[len(values)-1]) + "]"
		}
		goal := cmp.Or(goals[f.where+"."+f.name+" "+f.unit], "–")
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", f.where, strings.ReplaceAll(f.name, "_", " "), text, unit, goal, calm)
	}
	b.WriteString("\n")
	return b.String()
}

// chosen are the values of the runs that count, in ascending order, and how many were calm.
func (f *figure) chosen(shortest float64) (values []float64, calm string) {
	runs, n := yardstick.Calm(f.runs, shortest, yardstick.Fewest)
	values = yardstick.Values(runs)
	if runs[0].Yardstick == 0 {
		return values, "–"
	}
	return values, fmt.Sprintf("%d of %d", n, len(f.runs))
}

// scale is how a figure is written so that it can be read.
func scale(of string, largest float64) (factor float64, unit string) {
	if of != "ns/op" {
		return 1, of
	}
	switch {
	case largest >= 1e9:
		return 1e-9, "s"
	case largest >= 1e6:
		return 1e-6, "ms"
	case largest >= 1e3:
		return 1e-3, "µs"
	}
	return 1, "ns"
}

// rounded has three significant digits, or none behind the point.
func rounded(v float64) float64 {
	digits := 'g'
	if v >= 1000 {
		digits = 'f'
	}
	precision := 3
	if digits == 'f' {
		precision = 0
	}
	short, err := strconv.ParseFloat(strconv.FormatFloat(v, byte(digits), precision, 64), 64)
	if err != nil {
		return v
	}
	return short
}
