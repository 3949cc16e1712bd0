package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gabion-io/gabion/bench/internal/section"
)

// report prints the table and writes it into its section of the file.
func report(o options, all []contender, results map[string]*result) error {
	text := table(o, all, results)
	fmt.Print(text)
	if o.out == "" {
		return nil
	}
	return section.Write(o.out, "bench-gateway", text)
}

func table(o options, all []contender, results map[string]*result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s `wrk -t1 -c64` for %d s a round, %d rounds, contenders in turn; GET, 200-byte answer, keep-alive, "+
		"nginx with one worker behind. CPU is user + system time of the proxy's processes per request, median [min–max]. Nobody keeps "+
		"metrics and logs: Gabion has `data: off`, so its second process does not run.\n\n",
		section.Measured(), o.seconds, o.rounds)
	b.WriteString("| | switched on | CPU µs/request | × Gabion | requests/s | p99 ms | errors | idle MiB | start ms |\n|---|---|---|---|---|---|---|---|---|\n")
	var ours float64
	if r := results["Gabion"]; r != nil {
		ours = median(r.perRequest)
	}
	for _, c := range all {
		r := results[c.name]
		ratio := "–"
		if ours > 0 {
			ratio = fmt.Sprintf("%.2f", median(r.perRequest)/ours)
		}
		fmt.Fprintf(&b, "| %s | %s | %.1f [%.1f–%.1f] | %s | %.0f | %.1f | %d | %.0f | %.0f |\n", c.name, c.features, median(r.perRequest),
			slices.Min(r.perRequest), slices.Max(r.perRequest), ratio, median(r.rate), median(r.p99), r.errors, r.idle, median(r.start))
	}
	b.WriteString("\n")
	return b.String()
}
