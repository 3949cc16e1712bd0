// Command live offers a real HTTP server on loopback ten times what it can do, with Gabion's shedder before its handler and
// without, and writes what came of it to docs/overload.md: the goodput, and what a refusal costs the server.
//
// The server is a process of its own, so that its processor time can be told from that of the load.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/gabion-io/gabion/bench/internal/section"
)

// What is offered, and to whom.
const (
	workers  = 20
	takes    = 20 * time.Millisecond
	deadline = 200 * time.Millisecond
	capacity = workers * int(time.Second/takes)
	lasts    = 5 * time.Second
	bare     = "bare" // a server that refuses everything, in one line
)

func main() {
	out := flag.String("out", "../docs/overload.md", "the file whose section is written; empty: only print")
	serveMode := flag.String("serve", "", "be the server: bare, off, pool or adaptive")
	flag.Parse()
	var err error
	if *serveMode != "" {
		err = serve(*serveMode)
	} else {
		err = run(*out)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "live:", err)
		os.Exit(1)
	}
}

// result is what came of a load.
type result struct {
	mode                  string
	times                 float64 // of the capacity
	offered, good, served int
	p99                   time.Duration // of what was served
	cpu                   time.Duration // of the server
}

func run(out string) error {
	first, err := measure(bare, 10)
	if err != nil {
		return err
	}
	all := []result{first}
	for _, mode := range []string{"off", "pool", "adaptive"} {
		for _, times := range []float64{0.7, 10} {
			r, err := measure(mode, times)
			if err != nil {
				return err
			}
			fmt.Fprintf(os.Stderr, "%+v\n", r)
			all = append(all, r)
		}
	}
	text := report(all)
	fmt.Print(text)
	if out == "" {
		return nil
	}
	return section.Write(out, "overload-live", text)
}

func report(all []result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s A server with %d workers that take %v, which is %d requests a second, and a deadline of %v.\n\n",
		section.Measured(), workers, takes, capacity, deadline)
	b.WriteString("| shedder | offered | answered within the deadline, of the capacity | p99 of what was answered | processor time of the server for a refusal |\n")
	b.WriteString("|---|---|---|---|---|\n")
	names := map[string]string{bare: "none, and the handler is `http.Error` alone", "off": "none", "pool": "`shed`, the workers are known", "adaptive": "`shed`, the limit is found"}
	var calm result
	for _, r := range all {
		if r.times < 1 {
			calm = r
		}
		could := min(1, r.times) * float64(capacity) * lasts.Seconds()
		fmt.Fprintf(&b, "| %s | %.1f× (%d) | %.1f %% | %v | %s |\n", names[r.mode], r.times, r.offered, 100*float64(r.good)/could, r.p99.Round(time.Millisecond), refusal(r, calm))
	}
	b.WriteString("\n")
	return b.String()
}

// refusal is what a refusal cost the server. What its answers cost is known from when there was nothing else.
func refusal(r, calm result) string {
	refused := r.offered - r.served
	if r.mode == "off" || r.times < 1 || refused == 0 {
		return "–"
	}
	if r.served > 0 && calm.served > 0 {
		r.cpu -= calm.cpu * time.Duration(r.served) / time.Duration(calm.served)
	}
	return (r.cpu / time.Duration(refused)).Round(100 * time.Nanosecond).String()
}
