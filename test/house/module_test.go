package house

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Whoever imports the kit gets no dependency forced on them.
func TestTheKitHasNoDependencies(t *testing.T) {
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(mod), "require") {
		t.Errorf("the kit's go.mod requires something:\n%s", mod)
	}
}

// `go install …@latest` refuses a module whose go.mod holds a replace.
func TestNoModuleHasAReplace(t *testing.T) {
	mods, err := filepath.Glob("../../*/go.mod")
	adapters, err2 := filepath.Glob("../../adapters/*/go.mod")
	if err = errors.Join(err, err2); err != nil || len(mods) < 4 || len(adapters) < 3 {
		t.Fatalf("found %v and %v: %v", mods, adapters, err)
	}
	for _, path := range slices.Concat(mods, adapters, []string{"../../go.mod"}) {
		mod, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(mod), "replace") {
			t.Errorf("%s holds a replace; put it into go.work", path)
		}
	}
}

// A policy's folder shows at a glance what it does: the same names in every one.
func TestEveryPolicyHasTheSameFiles(t *testing.T) {
	for _, policy := range []string{"breaker", "bulkhead", "fallback", "ratelimit", "retry", "timeout"} {
		for _, name := range []string{"doc.go", policy + ".go", "config.go", "example_test.go"} {
			if _, err := os.Stat(filepath.Join("../..", policy, name)); err != nil {
				t.Errorf("%s: %v", policy, err)
			}
		}
	}
}
