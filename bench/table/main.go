// Command table reads the output of `go test -bench` and makes a table of it: CPU time per call of ours and of the peers in
// the same run, as ratios. It writes it to docs/performance.md.
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
	text := "\n" + section.Measured() + " CPU time of a call, median [min–max]; several goroutines count together. A yardstick beside each measurement tells whether another guest of the machine was using the other half of a core just then; counted are the calm rounds, in which none was, or the three calmest.\n\n" + table(cases)
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
	name     string
	rounds   []yardstick.Sample // the CPU time of a call
	allocs   string
	keyBytes string // a key, where keys are remembered
}

// line is a benchmark with its metrics: BenchmarkGroup/case/contender-2 … 65.1 cpu-ns/op … 0 allocs/op.
var (
	line   = regexp.MustCompile(`^Benchmark(\S+)/([^/\s]+?)(?:-\d+)?\s+\d+\s+(.*)`)
	metric = regexp.MustCompile(`([\d.]+(?:e[+-]?\d+)?) (\S+)`)
)

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
		metrics := map[string]string{}
		for _, pair := range metric.FindAllStringSubmatch(m[3], -1) {
			metrics[pair[2]] = pair[1]
		}
		if metrics["cpu-ns/op"] == "" {
			continue
		}
		cpu, wrong := strconv.ParseFloat(metrics["cpu-ns/op"], 64)
		yard, wrong2 := strconv.ParseFloat(metrics[yardstick.Unit], 64)
		if wrong = errors.Join(wrong, wrong2); wrong != nil {
			return nil, fmt.Errorf("%s: %w", lines.Text(), wrong)
		}
		c := find(&cases, m[1]).contender(m[2])
		c.rounds, c.allocs, c.keyBytes = append(c.rounds, yardstick.Sample{Value: cpu, Yardstick: yard}), metrics["allocs/op"], metrics["bytes/key"]
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
	b.WriteString("| | | ns | calm rounds | allocations | bytes a key | Gabion's part of it | Gabion takes more, ns |\n|---|---|---|---|---|---|---|---|\n")
	shortest := math.Inf(1)
	for _, m := range cases {
		for _, c := range m.contenders {
			shortest = yardstick.Shortest(shortest, c.rounds)
		}
	}
	for _, m := range cases {
		own := 0.
		if i := slices.IndexFunc(m.contenders, func(c contender) bool { return c.name == ours }); i >= 0 {
			times, _ := m.contenders[i].calm(shortest)
			own = median(times)
		}
		for _, c := range m.contenders {
			all, count := c.calm(shortest)
			compared, middle := "– | –", median(all)
			if own > 0 && c.name != ours {
				compared = fmt.Sprintf("%.2f | %+.0f", own/middle, own-middle)
			}
			fmt.Fprintf(&b, "| %s | %s | %.0f [%.0f–%.0f] | %d of %d | %s | %s | %s |\n", strings.ReplaceAll(m.name, "_", " "), c.name,
				middle, all[0], all[len(all)-1], count, len(c.rounds), c.allocs, cmp.Or(c.keyBytes, "–"), compared)
		}
	}
	b.WriteString("\n")
	return b.String()
}

// calm is the times of the rounds that count, in ascending order, and how many rounds were calm.
func (c *contender) calm(shortest float64) (times []float64, count int) {
	chosen, count := yardstick.Calm(c.rounds, shortest, yardstick.Fewest)
	return yardstick.Values(chosen), count
}

func median(sorted []float64) float64 { return sorted[len(sorted)/2] }
