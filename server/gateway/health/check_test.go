package health

import (
	"strings"
	"testing"
)

func TestCheckCountsRisesAndFalls(t *testing.T) {
	for _, c := range []struct {
		name    string
		results string // x bad, . good
		want    string // U turned unhealthy, H turned healthy, - nothing
	}{
		{"one bad answer is not enough", ".x.x.x", "------"},
		{"two in a row are", "xx", "-U"},
		{"more change nothing", "xxxx", "-U--"},
		{"back after three in a row", "xx...", "-U--H"},
		{"a bad one in between starts anew", "xx..x...", "-U-----H"},
		{"down again", "xx...xx", "-U--H-U"},
	} {
		var check Check
		if check.Checked() || check.Down() {
			t.Errorf("%s: a new check is not healthy and unchecked", c.name)
		}
		got := ""
		for _, r := range c.results {
			problem := map[rune]string{'x': "status 503", '.': ""}[r]
			switch changed := check.Result(problem, 2, 3); {
			case changed && check.Down():
				got += "U"
			case changed:
				got += "H"
			default:
				got += "-"
			}
			if check.Down() != (check.Reason() == "status 503") {
				t.Errorf("%s: down is %v for the reason %q", c.name, check.Down(), check.Reason())
			}
		}
		if got != c.want || !check.Checked() {
			t.Errorf("%s: %s gave %s, want %s", c.name, c.results, got, c.want)
		}
	}
}

func TestCheckKeepsTheLastReason(t *testing.T) {
	var check Check
	check.Result("timeout after 500ms", 2, 2)
	check.Result("connect: connection refused", 2, 2)
	check.Result("status 503", 2, 2)
	if got := check.Reason(); !strings.Contains(got, "503") {
		t.Errorf("the reason is %q, not the last one", got)
	}
}
