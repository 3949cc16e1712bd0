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
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gabion-io/gabion/bench/internal/section"
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
	text := "\n" + section.Measured() + " Median of the runs [min–max].\n\n" + table(all)
	fmt.Print(text)
	if out == "" {
		return nil
	}
	return section.Write(out, command, text)
}

// figure is one value that a benchmark reports, of all runs.
type figure struct {
	where, name, unit string
	values            []float64
}

var (
	line = regexp.MustCompile(`^Benchmark(\S+?)(?:-\d+)?\s+\d+\s+(.*)`)
	pair = regexp.MustCompile(`([\d.e+]+) (\S+)`)
)

// besides are units that are not worth a row each.
var besides = []string{"B/op", "allocs/op", "MB/s", "hits"}

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
		for _, p := range pair.FindAllStringSubmatch(m[2], -1) {
			value, wrong := strconv.ParseFloat(p[1], 64)
			if wrong != nil {
				return nil, wrong
			}
			if !slices.Contains(besides, p[2]) {
				f := find(&all, where, m[1], p[2])
				f.values = append(f.values, value)
			}
		}
	}
	all = slices.DeleteFunc(all, func(f *figure) bool { return f.unit == "ns/op" && hasRate(all, f) })
	if len(all) == 0 {
		err = errors.Join(err, errors.New("no benchmarks in the input"))
	}
	return all, errors.Join(err, lines.Err())
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
	b.WriteString("| | | figure | unit | goal |\n|---|---|---|---|---|\n")
	for _, f := range all {
		slices.Sort(f.values)
		factor, unit := scale(f)
		show := func(v float64) string { return strconv.FormatFloat(rounded(v*factor), 'f', -1, 64) }
		text := show(f.values[len(f.values)/2])
		if len(f.values) > 1 {
			text += " [" + show(f.values[0]) + "–" + show(f.values[len(f.values)-1]) + "]"
		}
		goal := cmp.Or(goals[f.where+"."+f.name+" "+f.unit], "–")
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", f.where, strings.ReplaceAll(f.name, "_", " "), text, unit, goal)
	}
	b.WriteString("\n")
	return b.String()
}

// scale is how a figure is written so that it can be read.
func scale(f *figure) (factor float64, unit string) {
	if f.unit != "ns/op" {
		return 1, f.unit
	}
	switch largest := f.values[len(f.values)-1]; {
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
