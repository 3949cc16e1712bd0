// Package script runs behaviour scripts: text files that a non-programmer can read, of commands and what they
// answer.
//
//	# comment
//	command key=value key=value
//	----
//	expected answer, up to an empty line
//
// Run the test with -rewrite to put the actual answers into the files.
package script

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var rewrite = flag.Bool("rewrite", false, "put the actual answers into the scripts")

// Command is one command of a script.
type Command struct {
	Name string
	// Args are the words after the name that have no "="; Keys are those that do.
	Args []string
	Keys map[string]string
	// Line is where it stands, for messages.
	Line int
}

// Duration is the key's value as a duration; 0 when it is not there.
func (c Command) Duration(t testing.TB, key string) time.Duration {
	t.Helper()
	if c.Keys[key] == "" {
		return 0
	}
	d, err := time.ParseDuration(c.Keys[key])
	if err != nil {
		t.Fatalf("line %d: %s: %v", c.Line, key, err)
	}
	return d
}

// Run runs every script that matches the pattern as a subtest. start makes the thing under test anew and returns
// the function that answers its commands.
func Run(t *testing.T, pattern string, start func(t *testing.T) func(Command) string) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts match %s: %v", pattern, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { runFile(t, file, start(t)) })
	}
}

func runFile(t *testing.T, file string, answer func(Command) string) {
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimRight(string(content), "\n"), "\n")
	var out []string
	for i := 0; i < len(lines); i++ {
		out = append(out, lines[i])
		if lines[i] == "" || strings.HasPrefix(lines[i], "#") {
			continue
		}
		command := parse(lines[i], i+1)
		want, next := expected(lines, i+1)
		got := strings.TrimRight(answer(command), "\n")
		if got != want && !*rewrite {
			t.Errorf("%s:%d: %s\n  want: %q\n  got:  %q", file, i+1, lines[i], want, got)
		}
		out = append(out, "----")
		if got != "" {
			out = append(out, got)
		}
		i = next - 1
	}
	if *rewrite {
		if err := os.WriteFile(file, []byte(strings.Join(out, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// expected reads the answer that stands after a command, and says which line comes next.
func expected(lines []string, i int) (answer string, next int) {
	if i >= len(lines) || lines[i] != "----" {
		return "", i
	}
	start := i + 1
	for i = start; i < len(lines) && lines[i] != ""; i++ {
	}
	return strings.Join(lines[start:i], "\n"), i
}

func parse(line string, number int) Command {
	words := strings.Fields(line)
	c := Command{Name: words[0], Keys: map[string]string{}, Line: number}
	for _, word := range words[1:] {
		if key, value, ok := strings.Cut(word, "="); ok {
			c.Keys[key] = value
		} else {
			c.Args = append(c.Args, word)
		}
	}
	return c
}
