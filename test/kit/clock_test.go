package kit

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
)

// wall are the places in the kit that need the time of day: the epoch of the monotonic clock, the dates of HTTP headers, the
// times of log lines, and the test kit, which runs beside tests and not in services.
var wall = []string{"gabion.go", "httpx", "internal/spool", "logs", "gabiontest"}

// TestTrap16TheKitHasNoWallClock: what reads only the monotonic clock cannot be misled by a step of another. (The traps in
// module bench move the wall clock for the breaker and the limits, and see what happens.)
func TestTrap16TheKitHasNoWallClock(t *testing.T) {
	const root = "../.."
	files := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		part, _, _ := strings.Cut(filepath.ToSlash(rel), "/")
		if d.IsDir() && slices.Contains([]string{"server", "bench", "test", "examples", "adapters", ".git", "bin"}, part) {
			return fs.SkipDir
		}
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") ||
			slices.Contains(wall, part) || slices.Contains(wall, filepath.ToSlash(filepath.Dir(rel))) {
			return err
		}
		files++
		parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && readsWall(sel) {
				t.Errorf("%s: %s depends on the wall clock: use gabion.Now", rel, sel.Sel.Name)
			}
			return true
		})
		return nil
	})
	if err != nil || files < 50 {
		t.Fatalf("%d files: %v", files, err)
	}
}

// readsWall says whether this is a reading of the wall clock, or makes one of another reading.
func readsWall(sel *ast.SelectorExpr) bool {
	switch sel.Sel.Name {
	case "Unix", "UnixNano", "UnixMilli", "UnixMicro", "Truncate":
		return true
	case "Now", "Since", "Until":
		id, ok := sel.X.(*ast.Ident)
		return ok && id.Name == "time"
	}
	return false
}

// Deadlines come as times of day, but Go keeps the monotonic reading with them.
func TestDeadlinesAreMonotonic(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	deadline, _ := ctx.Deadline()
	if left := gabion.InstantOf(deadline) - gabion.Now(); left > time.Hour || left < time.Hour-time.Minute {
		t.Errorf("%v are left of an hour", left)
	}
	// The twin: a time of day that was moved, without a monotonic reading, is another instant.
	moved := deadline.Round(0).Add(-time.Hour)
	if gabion.InstantOf(moved) > gabion.Now()+time.Minute {
		t.Error("the time of day does not matter: the test shows nothing")
	}
}
