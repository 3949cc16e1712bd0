package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const output = `goos: linux
pkg: github.com/gabion-io/gabion/server/metrics/tier
BenchmarkAppend/store-2         	     100	   2100000 ns/op	   4500000 samples/CPU-s	 1300 yardstick-ns	 10 B/op	 1 allocs/op
BenchmarkAppend/store-2         	     100	   2300000 ns/op	   4100000 samples/CPU-s	 1301 yardstick-ns
BenchmarkAppend/store-2         	     100	   2300000 ns/op	   4.3e+06 samples/CPU-s	 1400 yardstick-ns
BenchmarkAppend/store-2         	     100	   3300000 ns/op	   2100000 samples/CPU-s	 2500 yardstick-ns
pkg: github.com/gabion-io/gabion/server/logs/segment
BenchmarkWrite     	       1	12345 ns/op	        42.123 B/line
BenchmarkRead/an_hour-2     	       1	3456789012 ns/op
PASS
`

func TestTable(t *testing.T) {
	all, err := read(strings.NewReader(output))
	if err != nil {
		t.Fatal(err)
	}
	want := `| | | figure | unit | goal | calm runs |
|---|---|---|---|---|---|
| metrics/tier | Append/store | 4300000 [4100000–4500000] | samples/CPU-s | ≥ 3,000,000 | 3 of 4 |
| logs/segment | Write | 12.3 | µs | – | – |
| logs/segment | Write | 42.1 | B/line | ≤ 45 | – |
| logs/segment | Read/an hour | 3.46 | s | – | – |

`
	if have := table(all); have != want {
		t.Errorf("%s\nwant\n%s", have, want)
	}
}

func TestSection(t *testing.T) {
	file := filepath.Join(t.TempDir(), "doc.md")
	if err := os.WriteFile(file, []byte("a\n<!-- x: begin (made by make x) -->\nold\n<!-- x: end -->\nb\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(strings.NewReader(output), file, "x"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if have := string(text); err != nil || !strings.HasPrefix(have, "a\n") || !strings.HasSuffix(have, "b\n") || !strings.Contains(have, "B/line") || strings.Contains(have, "old") {
		t.Errorf("%v\n%s", err, have)
	}
}

func TestWhatIsNoTable(t *testing.T) {
	for _, text := range []string{"", "PASS\n", output + "FAIL\n"} {
		if err := run(strings.NewReader(text), "", "x"); err == nil {
			t.Errorf("%.20q makes a table", text)
		}
	}
}
