package memory_test

import (
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/gabion-io/gabion/server/memory"
)

// TestWhereToSend holds the paths in docs/sending.md to those that there are.
func TestWhereToSend(t *testing.T) {
	text, err := os.ReadFile("../../docs/sending.md")
	if err != nil {
		t.Fatal(err)
	}
	paths := regexp.MustCompile("`(GET|POST) (/[^`]*)`").FindAllStringSubmatch(string(text), -1)
	if len(paths) < 9 {
		t.Fatalf("only %d paths are found", len(paths))
	}
	b := setup(t, memory.Settings{})
	for _, p := range paths {
		path := strings.Replace(p[2], "ID", "4bf92f3577b34da6a3ce929d0e0e4736", 1)
		code, body := b.do(p[1], path, "")
		if code == http.StatusMethodNotAllowed || code == http.StatusNotFound && !strings.Contains(path, "/traces/") || strings.Contains(body, "page not found") {
			t.Errorf("%s %s is %d %s", p[1], path, code, body)
		}
	}
}
