package traps

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// count is how many traps there are.
const count = 33

// root is the repository, as seen from here.
const root = "../.."

// trapTest is the beginning of a test's name: it tells which traps the test is about.
var trapTest = regexp.MustCompile(`^TestTrap(\d\d)((?:And\d\d)*)`)

// tests are those of the repository that keep it out of each trap, as package and name.
func tests(t *testing.T) (all [count + 1][]string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		folder, err := filepath.Rel(root, filepath.Dir(path))
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			for _, n := range numbers(f.Name.Name) {
				all[n] = append(all[n], strings.TrimPrefix(filepath.ToSlash(folder)+" "+f.Name.Name, ". "))
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// numbers are the traps that a test of this name is about.
func numbers(name string) (all []int) {
	m := trapTest.FindStringSubmatch(name)
	if m == nil {
		return nil
	}
	for digits := range strings.SplitSeq(m[1]+m[2], "And") {
		if n, err := strconv.Atoi(digits); err == nil && n >= 1 && n <= count {
			all = append(all, n)
		}
	}
	return all
}

func TestEveryTrapHasATest(t *testing.T) {
	for n, names := range tests(t) {
		if n > 0 && len(names) == 0 {
			t.Errorf("no test keeps out of trap %d: none begins with TestTrap%02d", n, n)
		}
	}
}

// What the document names must be there.
func TestTheDocumentNamesTestsThatExist(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join(root, "docs/traps.md"))
	if err != nil {
		t.Fatal(err)
	}
	var exist []string
	for _, names := range tests(t) {
		exist = append(exist, names...)
	}
	named := regexp.MustCompile("`((?:[a-z/]+ )?TestTrap\\w+)`").FindAllStringSubmatch(string(doc), -1)
	if len(named) < count {
		t.Errorf("it names %d tests, want at least one for each of %d traps: make bench-traps", len(named), count)
	}
	for _, m := range named {
		if !slices.Contains(exist, m[1]) {
			t.Errorf("there is no %s: make bench-traps", m[1])
		}
	}
}

// list is the part of the document that says which tests keep Gabion out of which trap.
func list(t *testing.T) string {
	var b strings.Builder
	b.WriteString("## The tests that keep Gabion out of them\n\n| # | trap | tests |\n|---|---|---|\n")
	for n, names := range tests(t) {
		if n > 0 {
			fmt.Fprintf(&b, "| %d | %s | `%s` |\n", n, titles[n], strings.Join(names, "`<br>`"))
		}
	}
	return b.String()
}

// titles name the traps.
var titles = [count + 1]string{
	1: "a probe panics", 2: "a probe ends its goroutine", 3: "a probe hangs", 4: "late results of an earlier state",
	5: "callers who cancel count as failures", 6: "a callback that uses the policy deadlocks", 7: "a panic loses a permit",
	8: "pipes made of one base share it", 9: "a timeout around what does not listen", 10: "a retry waits past the deadline",
	11: "a call is made although its context has ended", 12: "refusals are retried", 13: "nested retries multiply",
	14: "an exhausted budget hides the cause", 15: "a rate is not kept under contention", 16: "steps of the wall clock",
	17: "a window that starts anew", 18: "a window that empties only when it is written to", 19: "calls in flight are not seen",
	20: "an ignored probe keeps its place", 21: "a refusal further in keeps a place", 22: "more probes than allowed",
	23: "a change of the configuration loses the state", 24: "everybody tries at the same moment", 25: "timers and goroutines are left behind",
	26: "memory grows with every key", 27: "HTTP: bodies, connections and losers", 28: "an error that is nil and is not",
	29: "a limiter learns from what it must not", 30: "limits count as an outage", 31: "one bad host of many",
	32: "what must not be made twice is", 33: "a retry budget by what is in flight",
}
