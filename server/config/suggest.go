package config

import "strings"

// nearest returns the choice that got was probably meant to be, "" when none is near.
func nearest(got string, choices []string) string {
	best, bestDistance := "", 0
	plain := normal(got)
	for _, choice := range choices {
		d := distance(plain, normal(choice))
		if d > max(1, len(choice)/3) || d >= max(len(choice), 1) {
			continue
		}
		if best == "" || d < bestDistance {
			best, bestDistance = choice, d
		}
	}
	return best
}

// normal brings max-header, maxHeader and max_header together.
func normal(s string) string {
	s = s[:min(len(s), 80)]
	return strings.ToLower(strings.NewReplacer("-", "", "_", "", " ", "").Replace(s))
}

// distance is the number of insertions, deletions, replacements and swaps of neighbours that make b of a (optimal
// string alignment).
func distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	var before []int
	last := make([]int, len(t)+1)
	for j := range last {
		last[j] = j
	}
	for i := range s {
		row := make([]int, len(t)+1)
		row[0] = i + 1
		for j := range t {
			cost := 1
			if s[i] == t[j] {
				cost = 0
			}
			row[j+1] = min(row[j]+1, last[j+1]+1, last[j]+cost)
			if i > 0 && j > 0 && s[i] == t[j-1] && s[i-1] == t[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(t)]
}
