package logs

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDocument holds docs/access-log.md equal to what is written.
func TestDocument(t *testing.T) {
	text, err := os.ReadFile("../../docs/access-log.md")
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		told = append(told, row[1])
	}
	x := served()
	if example := string(appendLine(nil, x, 5_007_000, newIdentities())); !strings.Contains(string(text), example) {
		t.Errorf("the example is not %s", example)
	}
	x.Record.Problem, x.Record.Degraded, x.Record.Err = "p", "d", errors.New("e")
	line := string(appendLine(nil, x, 0, newIdentities()))
	var written []string
	for _, field := range regexp.MustCompile(`[{,]"([a-z_]+)":`).FindAllStringSubmatch(line, -1) {
		written = append(written, field[1])
	}
	if !slices.Equal(told, written) {
		t.Errorf("docs/access-log.md tells of\n%v\nwritten are\n%v", told, written)
	}
}
