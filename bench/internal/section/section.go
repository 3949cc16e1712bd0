// Package section writes what was measured into its place in a document.
package section

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// Write puts text between the two lines that mark the section of a command in a file, in place of what was there.
func Write(file, command, text string) error {
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	begin, end := fmt.Sprintf("<!-- %s: begin (made by make %s) -->", command, command), fmt.Sprintf("<!-- %s: end -->", command)
	before, rest, ok := strings.Cut(string(old), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s: the lines %q and %q are not there", file, begin, end)
	}
	return os.WriteFile(file, []byte(before+begin+"\n"+text+end+after), 0o644)
}

// Measured says when and on what machine.
func Measured() string {
	return fmt.Sprintf("Measured %s on %s, %d cores, %s.", time.Now().UTC().Format(time.DateOnly), cpuModel(), runtime.NumCPU(), runtime.Version())
}

func cpuModel() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	_, rest, _ := strings.Cut(string(info), "model name\t: ")
	model, _, _ := strings.Cut(rest, "\n")
	return model
}
