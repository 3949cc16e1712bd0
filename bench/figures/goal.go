package main

// goals are what the figures are to reach, by package, benchmark and unit.
var goals = map[string]string{
	"metrics/tier.Append/store samples/CPU-s": "≥ 3,000,000",
	"logs/segment.Write B/line":               "≤ 45",
}
