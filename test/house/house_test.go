// Package house holds the habits of the repository that no linter knows.
package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// file is one parsed Go file of the repository.
type file struct {
	path  string // relative to the root of the repository, with slashes
	lines int
	ast   *ast.File
	set   *token.FileSet
}

func (f file) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }

func (f file) at(n ast.Node) string {
	return f.path + ":" + strings.TrimPrefix(f.set.Position(n.Pos()).String(), f.set.Position(n.Pos()).Filename+":")
}

// files parses every Go file of the repository.
func files(t *testing.T) []file {
	t.Helper()
	const root = "../.."
	var all []file
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || d.Name() == ".git" || d.Name() == "bin" || d.Name() == "node_modules") {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") {
			return nil
		}
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		all = append(all, file{filepath.ToSlash(rel), set.Position(parsed.FileEnd).Line, parsed, set})
		return err
	})
	if err != nil || len(all) < 50 {
		t.Fatalf("parsed %d files: %v", len(all), err)
	}
	return all
}

func TestEveryPackageIsDocumented(t *testing.T) {
	documented := map[string]bool{}
	for _, f := range files(t) {
		dir := filepath.Dir(f.path)
		if f.isTest() && !documented[dir] && f.ast.Doc == nil {
			continue
		}
		documented[dir] = documented[dir] || f.ast.Doc != nil
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("%s: no file has a package comment that says what the package is", dir)
		}
	}
}

func TestFilesAndFunctionsAreShort(t *testing.T) {
	const maxFile, maxFunc = 400, 80
	for _, f := range files(t) {
		if f.isTest() || ast.IsGenerated(f.ast) {
			continue
		}
		if f.lines > maxFile {
			t.Errorf("%s has %d lines, at most %d: which concept is missing?", f.path, f.lines, maxFile)
		}
		for _, d := range f.ast.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if lines := f.set.Position(fn.End()).Line - f.set.Position(fn.Pos()).Line + 1; lines > maxFunc {
				t.Errorf("%s: %s has %d lines, at most %d", f.at(fn), fn.Name.Name, lines, maxFunc)
			}
		}
	}
}

func TestNoInitFunctions(t *testing.T) {
	for _, f := range files(t) {
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s: init() hides what is in the build; call it by name", f.at(fn))
			}
		}
	}
}

func TestTestsDoNotSleep(t *testing.T) {
	for _, f := range files(t) {
		if !f.isTest() || usesSynctest(f) {
			continue
		}
		for _, call := range calls(f, "time", "Sleep") {
			t.Errorf("%s: time.Sleep in a test; use testing/synctest, or wait for a signal", f.at(call))
		}
	}
}

// usesSynctest says whether the file's tests run in a bubble, where sleeping takes no time.
func usesSynctest(f file) bool {
	for _, spec := range f.ast.Imports {
		if spec.Path.Value == `"testing/synctest"` {
			return true
		}
	}
	return false
}

// pure are the packages, and the files of others, that have no clock and no input or output.
func pure(path string) bool {
	for _, dir := range []string{"internal/window/", "internal/gcra/", "internal/backoff/", "server/gateway/route/", "server/gateway/balance/"} {
		if strings.HasPrefix(path, dir) {
			return true
		}
	}
	return filepath.Base(path) == "core.go"
}

func TestPureCoresHaveNoClock(t *testing.T) {
	for _, f := range files(t) {
		if f.isTest() || !pure(f.path) {
			continue
		}
		for _, name := range []string{"Now", "Since", "Until", "After", "Sleep", "NewTimer", "NewTicker", "AfterFunc"} {
			for _, call := range calls(f, "time", name) {
				t.Errorf("%s: time.%s in a pure core; take the time as a parameter", f.at(call), name)
			}
		}
		for _, call := range calls(f, "gabion", "Now") {
			t.Errorf("%s: gabion.Now in a pure core; take the time as a parameter", f.at(call))
		}
	}
}

func TestNoSkippedTests(t *testing.T) {
	for _, f := range files(t) {
		if !f.isTest() {
			continue
		}
		for _, name := range []string{"Skip", "Skipf", "SkipNow"} {
			for _, recv := range []string{"t", "b", "tb"} {
				for _, call := range calls(f, recv, name) {
					t.Errorf("%s: a skipped test is a failure that hides", f.at(call))
				}
			}
		}
	}
}

// calls finds the calls of x.name in f.
func calls(f file, x, name string) (found []ast.Node) {
	ast.Inspect(f.ast, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || sel.Sel.Name != name {
			return true
		}
		if id, ok := sel.X.(*ast.Ident); ok && id.Name == x {
			found = append(found, call)
		}
		return true
	})
	return found
}
