package traps

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var clockTraps = []trap{
	{16, "steps of the wall clock", "by an hour, while a breaker is open, between failures, and after a burst: does it act too soon, or not for an hour?", steppedClock},
}

// reported begins a line that tells a finding.
const reported = "finding:"

// steppedClock makes package time with a variable by which the wall clock, and not the monotonic one, can be moved, and runs
// TestWallClock with it. Everything is compiled anew for that, so it is done only when the document is written.
func steppedClock(t *testing.T) findings {
	goroot := must(exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output())
	source := filepath.Join(strings.TrimSpace(string(goroot)), "src/time/time.go")
	original := must(os.ReadFile(source))
	const reading = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	patched := bytes.Replace(original, []byte(reading), []byte("var WallStep int64\n\n"+reading+"\tsec += WallStep\n"), 1)
	if bytes.Equal(patched, original) {
		t.Fatal("package time is another than expected")
	}
	dir := t.TempDir()
	file, overlay := filepath.Join(dir, "time.go"), filepath.Join(dir, "overlay.json")
	replace := must(json.Marshal(map[string]map[string]string{"Replace": {source: file}}))
	if err := errors.Join(os.WriteFile(file, patched, 0o600), os.WriteFile(overlay, replace, 0o600)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-v", "-timeout=120s", "-tags=wallstep", "-overlay="+overlay, "-run=^TestWallClock$", ".")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	found := findings{}
	for line := range strings.Lines(string(out)) {
		_, text, ok := strings.Cut(strings.TrimSpace(line), reported)
		name, text, _ := strings.Cut(text, "=")
		fine, text, _ := strings.Cut(text, "=")
		if earlier, known := found[name]; ok && (!known || earlier.held) { // the first that it falls into is told
			found[name] = finding{fine == "true", text}
		}
	}
	return found
}
