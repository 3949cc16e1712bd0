package memory

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/gabion-io/gabion/server/store"
)

var rewrite = flag.Bool("rewrite", false, "write docs/store-metrics.md anew")

const document = "../../docs/store-metrics.md"

const head = `# Metrics of the store

The process that keeps metrics and logs keeps its own as well, every 10 s, with ` + "`job=\"gabion-store\"`" + `, besides what the Go runtime and the
process say about themselves (` + "`go_…`, `process_…`" + `). Ask for them with ` + "`gabion query`, or under `/prometheus`" + ` on the admin address. What the
gateway says about the store is in [metrics.md](metrics.md).

` + "`up`" + ` is 1 for every target of ` + "`metrics.scrape`" + ` that answers, and 0 for one that does not. The gateway (` + "`job=\"gabion\"`" + `) and the store say
` + "`up` 1" + ` by themselves while they run; a gap is a time when they did not.

Counters run since the start of that process.

| name | type | labels | meaning |
|---|---|---|---|
`

func TestDocument(t *testing.T) {
	parts, err := Parts(store.Env{})
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	want.WriteString(head)
	for _, p := range parts {
		m, ok := p.(measured)
		if !ok {
			continue
		}
		for _, f := range m.families() {
			labels := ""
			if len(f.labels) > 0 {
				labels = "`" + strings.Join(f.labels, "`, `") + "`"
			}
			fmt.Fprintf(&want, "| `%s` | %s | %s | %s |\n", f.name, f.kind, labels, f.help)
		}
	}
	if *rewrite {
		if err := os.WriteFile(document, []byte(want.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != want.String() {
		t.Error("docs/store-metrics.md is not what the metrics are: go test ./memory -run Document -rewrite")
	}
}
