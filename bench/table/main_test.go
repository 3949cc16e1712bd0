package main

import (
	"strings"
	"testing"
)

const output = `goos: linux
BenchmarkBreaker/closed/gabion-2         	100	 64 ns/op	 60.0 cpu-ns/op	 1300 yardstick-ns	 0 B/op	 0 allocs/op
BenchmarkBreaker/closed/go-peer-2        	100	 64 ns/op	 240.0 cpu-ns/op	 1310 yardstick-ns	 8 B/op	 1 allocs/op
PASS
goos: linux
BenchmarkBreaker/closed/gabion-2         	100	 64 ns/op	 120.0 cpu-ns/op	 2600 yardstick-ns	 0 B/op	 0 allocs/op
BenchmarkBreaker/closed/go-peer-2        	100	 64 ns/op	 400.0 cpu-ns/op	 1400 yardstick-ns	 8 B/op	 1 allocs/op
PASS
goos: linux
BenchmarkBreaker/closed/gabion-2         	100	 64 ns/op	 50.0 cpu-ns/op	 1300 yardstick-ns	 0 B/op	 0 allocs/op
BenchmarkBreaker/closed/gabion-2         	100	 64 ns/op	 55.0 cpu-ns/op	 1.301e+03 yardstick-ns	 0 B/op	 0 allocs/op
BenchmarkBreaker/closed/late-2           	100	 64 ns/op	 110.0 cpu-ns/op	 2600 yardstick-ns	 0 B/op	 0 allocs/op
BenchmarkKeys/gabion-2                   	100	 64 ns/op	 60.5 cpu-ns/op	 1300 yardstick-ns	 61.2 bytes/key	 0 B/op	 0 allocs/op
BenchmarkNothing                       	100	 64 ns/op
PASS
`

func TestTable(t *testing.T) {
	cases, err := read(strings.NewReader(output))
	if err != nil {
		t.Fatal(err)
	}
	got := table(cases)
	for _, want := range []string{
		"| Breaker/closed | gabion | 55 [50–60] | 3 of 4 | 0 | – | – | – |\n", "| Breaker/closed | go-peer | 400 [240–400] | 2 of 2 | 1 | – | 0.14 | -345 |\n",
		"| Breaker/closed | late | 110 [110–110] | 0 of 1 | 0 | – | 0.50 | -55 |\n", "| Keys | gabion | 60 [60–60] | 1 of 1 | 0 | 61.2 | – | – |\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestWhatIsNoTable(t *testing.T) {
	for _, text := range []string{"", "PASS\n", output + "FAIL\n", "BenchmarkA/gabion-2 1 5 ns/op 5 cpu-ns/op 0 allocs/op\n"} {
		if err := run(strings.NewReader(text), ""); err == nil {
			t.Errorf("%.20q makes a table", text)
		}
	}
}
