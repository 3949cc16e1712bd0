// Package readme shows that the README is true: what it says to run is run as it is written, in a fresh copy of the
// repository, and its Go is compiled.
package readme

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is the repository.
const root = "../.."

// block is a fenced block of the README.
type block struct{ language, text string }

// read gives the blocks of the README, and the text around them.
func read(t *testing.T) (blocks []block, prose string) {
	t.Helper()
	text, err := os.ReadFile(root + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for i, part := range strings.Split("\n"+string(text), "\n```") {
		if i%2 == 0 {
			prose += part + "\n"
			continue
		}
		language, inside, _ := strings.Cut(part, "\n")
		blocks = append(blocks, block{language, inside + "\n"})
	}
	return blocks, prose
}

// of gives the blocks in a language.
func of(blocks []block, language string) (texts []string) {
	for _, b := range blocks {
		if b.language == language {
			texts = append(texts, b.text)
		}
	}
	return texts
}

// Every block is of a kind that is tested here.
func TestBlocks(t *testing.T) {
	blocks, _ := read(t)
	known := map[string]int{"sh": 2, "yaml": 1, "go": 1}
	for language, want := range known {
		if got := len(of(blocks, language)); got != want {
			t.Errorf("the README has %d blocks of %s, the test knows %d", got, language, want)
		}
	}
	for _, b := range blocks {
		if known[b.language] == 0 {
			t.Errorf("nothing tests the blocks of %q:\n%s", b.language, b.text)
		}
	}
}

// The Go of the README is that of [Example].
func TestGo(t *testing.T) {
	blocks, _ := read(t)
	source, err := os.ReadFile("snippet_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range of(blocks, "go") {
		if !strings.Contains(strings.ReplaceAll(string(source), "\n\t", "\n"), "\n"+text) {
			t.Errorf("this does not stand in snippet_test.go, word for word:\n%s", text)
		}
	}
}

// commands gives the lines of the blocks of sh.
func commands(blocks []block) (lines []string) {
	for _, text := range of(blocks, "sh") {
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line != "" {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

// name is a command without its comment.
func name(line string) string {
	command, _, _ := strings.Cut(line, " #")
	return strings.Join(strings.Fields(command), " ")
}

// TestCommands runs every command, in the order of the README.
func TestCommands(t *testing.T) {
	blocks, prose := read(t)
	lines := commands(blocks)
	known := map[string]func(*scene, string){
		"make run": (*scene).demo, "make test": (*scene).isTarget, "bin/gabion validate": (*scene).validates, "bin/gabion run": (*scene).runs,
		"bin/gabion status": (*scene).shows, "bin/gabion top": (*scene).watches, "bin/gabion explain breaker": (*scene).explains,
	}
	for command := range known {
		if !slices.ContainsFunc(lines, func(line string) bool { return name(line) == command }) {
			t.Errorf("the README does not say %q any more", command)
		}
	}
	for _, line := range lines {
		if known[name(line)] == nil {
			t.Errorf("the README says %q, and nothing tests it", line)
		}
	}
	if t.Failed() {
		return
	}
	s := &scene{T: t, config: of(blocks, "yaml")[0], addresses: addresses(prose)}
	s.open()
	for _, line := range lines {
		t.Log(line)
		known[name(line)](s, line)
		if t.Failed() {
			return
		}
	}
	s.close()
}

var address = regexp.MustCompile(`127\.0\.0\.1:\d+`)

// addresses are those that a text names, each once.
func addresses(text string) []string {
	all := address.FindAllString(text, -1)
	slices.Sort(all)
	return slices.Compact(all)
}
