package main

// goals are what the figures are to reach, by package, benchmark and unit.
var goals = map[string]string{
	"metrics/tier.Append/store samples/CPU-s": "≥ 3,000,000",
	"logs/store.Append lines/CPU-s":           "≥ 250,000",
	"logs/store.Append B/line":                "≤ 45",
	"logs/store.Query/hour ns/op":             "≤ 50 ms",
	"logs/store.Query/count ns/op":            "≤ 50 ms",
	"logs/store.Year/count ns/op":             "≤ 2 s",
	"logs/store.Year/substring ns/op":         "≤ 2 s",
	"metrics/tier.Year/hours ns/op":           "≤ 2 s",
	"metrics/tier.Year/five_minutes ns/op":    "≤ 2 s",
	"logs/segment.Write B/line":               "≤ 45",
}
