package config

import (
	"regexp"
	"strings"
	"testing"
)

// spare matches a setting that is not in use.
var spare = regexp.MustCompile(`^( *)#([a-z_-].*)$`)

func TestStarterIsValid(t *testing.T) {
	f := parse(t, string(Starter)).File
	if len(f.Services) != 1 || len(f.Routes) != 1 || len(f.Limits) != 2 {
		t.Errorf("%d services, %d routes, %d limits", len(f.Services), len(f.Routes), len(f.Limits))
	}
}

func TestEverySettingOfTheStarterIsValid(t *testing.T) {
	lines := strings.Split(string(Starter), "\n")
	all := strings.Split(string(Starter), "\n")
	count := 0
	for i, line := range lines {
		found := spare.FindStringSubmatch(line)
		if found == nil {
			continue
		}
		count++
		all[i] = found[1] + found[2]
		one := strings.Split(string(Starter), "\n")
		one[i] = all[i]
		if _, err := Parse("starter.yaml", []byte(strings.Join(one, "\n")), nil, nil); err != nil {
			t.Errorf("with line %d in use: %v", i+1, err)
		}
	}
	if count < 20 {
		t.Errorf("only %d settings found", count)
	}
	if _, err := Parse("starter.yaml", []byte(strings.Join(all, "\n")), nil, nil); err != nil {
		t.Errorf("with all in use: %v", err)
	}
}

// A default that the starter shows must be the default.
func TestStarterShowsTheDefaults(t *testing.T) {
	base := parse(t, string(Starter)).Values()["gateway"].(map[string]any)
	for _, key := range []string{"drain", "max_header", "max_body", "header_timeout", "idle_timeout"} {
		want := "#" + key + ": " + base[key].(string)
		if !strings.Contains(string(Starter), want+"\n") {
			t.Errorf("the starter does not show %q", want)
		}
	}
}

func TestStarterNamesEveryPolicy(t *testing.T) {
	for _, key := range []string{"timeout", "retry", "breaker", "bulkhead", "fallback", "health", "standby", "balance"} {
		if !strings.Contains(string(Starter), "#"+key+":") {
			t.Errorf("the starter says nothing about %s", key)
		}
	}
}
