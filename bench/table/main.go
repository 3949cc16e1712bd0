// Command table reads the output of `go test -bench` and makes a table of it: CPU time per call of ours and of the peers in
// the same run, as ratios. It writes it to docs/performance.md.
package main

import (
	"bufio"
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

// ours is the contender that the others are compared with.
const ours = "gabion"

func main() {
	out := flag.String("out", "../docs/performance.md", "the file whose section is written; empty: only print")
	flag.Parse()
	if err := run(os.Stdin, *out); err != nil {
		fmt.Fprintln(os.Stderr, "table:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out string) error {
	cases, err := read(in)
	if err != nil {
		return err
	}
	text := "\n" + section.Measured() + " CPU time of a call, median of the runs; several goroutines count together.\n\n" + table(cases)
	fmt.Print(text)
	if out == "" {
		return nil
	}
	return section.Write(out, "bench-policies", text)
}

// measured is one thing that was measured, of all contenders, in the order in which they came.
type measured struct {
	name       string
	contenders []contender
}

type contender struct {
	name   string
	cpu    []float64 // ns
	allocs float64
}

// line is a benchmark with its metrics: BenchmarkGroup/case/contender-2 … 65.1 cpu-ns/op … 0 allocs/op.
var line = regexp.MustCompile(`^Benchmark(\S+)/([^/\s]+?)(?:-\d+)?\s.*?([\d.]+) cpu-ns/op.*?(\d+) allocs/op`)

func read(in io.Reader) (cases []*measured, err error) {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		m := line.FindStringSubmatch(lines.Text())
		if m == nil {
			if strings.HasPrefix(lines.Text(), "FAIL") {
				err = errors.New("a benchmark failed")
			}
			continue
		}
		cpu, wrong := strconv.ParseFloat(m[3], 64)
		allocs, wrong2 := strconv.ParseFloat(m[4], 64)
		if wrong = errors.Join(wrong, wrong2); wrong != nil {
			return nil, wrong
		}
		c := find(&cases, m[1]).contender(m[2])
		c.cpu, c.allocs = append(c.cpu, cpu), allocs
	}
	if len(cases) == 0 {
		err = errors.Join(err, errors.New("no benchmarks with cpu-ns/op in the input"))
	}
	return cases, errors.Join(err, lines.Err())
}

func find(cases *[]*measured, name string) *measured {
	for _, c := range *cases {
		if c.name == name {
			return c
		}
	}
	*cases = append(*cases, &measured{name: name})
	return (*cases)[len(*cases)-1]
}

func (m *measured) contender(name string) *contender {
	i := slices.IndexFunc(m.contenders, func(c contender) bool { return c.name == name })
	if i < 0 {
		m.contenders = append(m.contenders, contender{name: name})
		i = len(m.contenders) - 1
	}
	return &m.contenders[i]
}

func table(cases []*measured) string {
	var b strings.Builder
	b.WriteString("| | | ns [min–max] | allocations | Gabion's part of it |\n|---|---|---|---|---|\n")
	for _, m := range cases {
		var own float64
		if i := slices.IndexFunc(m.contenders, func(c contender) bool { return c.name == ours }); i >= 0 {
			own = median(m.contenders[i].cpu)
		}
		for _, c := range m.contenders {
			part := "–"
			if c.name != ours && own > 0 {
				part = fmt.Sprintf("%.2f", own/median(c.cpu))
			}
			fmt.Fprintf(&b, "| %s | %s | %.0f [%.0f–%.0f] | %.0f | %s |\n", strings.ReplaceAll(m.name, "_", " "), c.name,
				median(c.cpu), slices.Min(c.cpu), slices.Max(c.cpu), c.allocs, part)
		}
	}
	b.WriteString("\n")
	return b.String()
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
