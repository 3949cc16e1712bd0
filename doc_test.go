package gabion_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion/retry"
	"github.com/gabion-io/gabion/timeout"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A package is a policy when something in it describes itself as one.
var describes = regexp.MustCompile(`\) Describe\(\) gabion\.Description`)

func TestDocHasEveryPolicy(t *testing.T) {
	doc := read(t, "doc.go")
	_, table, _ := strings.Cut(doc, "# Which policy when")
	table, _, _ = strings.Cut(table, "# The order")
	files, err := filepath.Glob("*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	policies := map[string]bool{}
	for _, file := range files {
		if !strings.HasSuffix(file, "_test.go") && describes.MatchString(read(t, file)) {
			policies[filepath.Dir(file)] = true
		}
	}
	if len(policies) < 9 {
		t.Errorf("found only %v", policies)
	}
	for policy := range policies {
		if !regexp.MustCompile(`(?m)^//\t\S.*  ` + policy + ` +\S`).MatchString(table) {
			t.Errorf("the table in doc.go has no row for %s", policy)
		}
		if link := fmt.Sprintf("[%s]: https://pkg.go.dev/github.com/gabion-io/gabion/%[1]s\n", policy); !strings.Contains(doc, link) {
			t.Errorf("doc.go has no link %s", link)
		}
	}
}

func TestDocHasEveryPreset(t *testing.T) {
	doc := read(t, "doc.go")
	files, err := filepath.Glob("*/preset.go")
	if err != nil || len(files) < 4 {
		t.Fatalf("found only %v, %v", files, err)
	}
	preset := regexp.MustCompile(`(?m)^func (For\w+)\(`)
	for _, file := range files {
		for _, found := range preset.FindAllStringSubmatch(read(t, file), -1) {
			if name := filepath.Dir(file) + "." + found[1] + "()"; !strings.Contains(doc, name) {
				t.Errorf("the table of presets in doc.go does not have %s", name)
			}
		}
	}
}

// What the presets for jobs say of each other: the timeout leaves time for all tries and all waits.
func TestPresetsForJobsFit(t *testing.T) {
	tries, bound := retry.ForJobs(), timeout.ForJobs()
	worst := time.Duration(tries.Attempts) * bound.Attempt
	wait := tries.Backoff.Initial
	for range tries.Attempts - 1 {
		worst += wait
		wait = min(2*wait, tries.Backoff.Max)
	}
	if worst > bound.Total || worst < bound.Total/2 {
		t.Errorf("tries and waits take up to %v, the total is %v", worst, bound.Total)
	}
}
