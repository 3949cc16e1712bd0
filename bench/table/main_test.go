package main

import (
	"strings"
	"testing"
)

const output = `goos: linux
BenchmarkBreaker/closed/gabion-2         	100	 64 ns/op	 60.0 cpu-ns/op	 0 B/op	 0 allocs/op
BenchmarkBreaker/closed/gabion-2         	100	 64 ns/op	 90.0 cpu-ns/op	 0 B/op	 0 allocs/op
BenchmarkBreaker/closed/gabion-2         	100	 64 ns/op	 50.0 cpu-ns/op	 0 B/op	 0 allocs/op
BenchmarkBreaker/closed/go-peer-2        	100	 64 ns/op	 240.0 cpu-ns/op	 8 B/op	 1 allocs/op
BenchmarkBreaker/open/gabion-2           	100	 64 ns/op	 60.5 cpu-ns/op	 0 B/op	 0 allocs/op
PASS
`

func TestTable(t *testing.T) {
	cases, err := read(strings.NewReader(output))
	if err != nil {
		t.Fatal(err)
	}
	got := table(cases)
	for _, want := range []string{
		"| Breaker/closed | gabion | 60 [50–90] | 0 | – |\n", "| Breaker/closed | go-peer | 240 [240–240] | 1 | 0.25 |\n",
		"| Breaker/open | gabion | 60 [60–60] | 0 | – |\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestWhatIsNoTable(t *testing.T) {
	for _, text := range []string{"", "PASS\n", output + "FAIL\n"} {
		if err := run(strings.NewReader(text), ""); err == nil {
			t.Errorf("%.20q makes a table", text)
		}
	}
}
