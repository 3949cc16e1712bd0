// Package harness runs the real gabion binary for black-box tests: it builds it once, writes its gabion.yaml, starts
// it on loopback, reads its metrics and its API, and makes sure that it ends well.
package harness

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"

	"github.com/gabion-io/gabion/test/backend"
	"github.com/gabion-io/gabion/test/process"
)

// Main is the TestMain of a package that uses the harness.
func Main(m *testing.M) {
	switch process.Role() {
	case backend.Role:
		backend.Main()
		return
	case proxyRole:
		proxyMain()
		return
	}
	flag.Parse()
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == parallel.DefValue {
		// Scenarios wait more than they work.
		if err := flag.Set("test.parallel", strconv.Itoa(max(atOnce, runtime.GOMAXPROCS(0)))); err != nil {
			panic(err)
		}
	}
	code := m.Run()
	if binary.dir != "" {
		if err := os.RemoveAll(binary.dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	os.Exit(code)
}

// atOnce is how many tests run at the same time on a small machine.
const atOnce = 3

// Environment variables that change which binary is tested.
const (
	// RaceVariable has it built with the race detector when it is "1".
	RaceVariable = "GABION_TEST_RACE"
	// BinaryVariable is the path of one that exists already, such as a released one.
	BinaryVariable = "GABION_TEST_BINARY"
)

// Room is a bound for the memory that the binary may take, wider when it was built with the race detector.
func Room(bytes int64) int64 {
	if os.Getenv(RaceVariable) == "1" {
		return 4 * bytes
	}
	return bytes
}

// binary is the built binary, shared by all tests of a run.
var binary struct {
	once      sync.Once
	dir, path string
	err       error
}

// Binary builds gabion, once in each test run, and gives its path.
func Binary(t testing.TB) string {
	t.Helper()
	binary.once.Do(build)
	if binary.err != nil {
		t.Fatal(binary.err)
	}
	return binary.path
}

func build() {
	if binary.path = os.Getenv(BinaryVariable); binary.path != "" {
		return
	}
	if binary.dir, binary.err = os.MkdirTemp("", "gabion-test-"); binary.err != nil {
		return
	}
	binary.path = filepath.Join(binary.dir, "gabion")
	args := []string{"build", "-o", binary.path}
	if os.Getenv(RaceVariable) == "1" {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, "github.com/gabion-io/gabion/server/cmd/gabion")...) //nolint:noctx // The test's own timeout ends it.
	if out, err := cmd.CombinedOutput(); err != nil {
		binary.err = fmt.Errorf("build gabion: %w\n%s", err, out)
	}
}
