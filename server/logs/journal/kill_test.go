package journal

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"

	"github.com/gabion-io/gabion/server/logs/internal/lines"
	"github.com/gabion-io/gabion/server/logs/internal/packed"
)

// childDir is the environment variable that makes this test binary a process that writes into that journal until it is killed.
const childDir = "GABION_JOURNAL_TEST_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		fmt.Fprintln(os.Stderr, writeForEver(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// writeForEver appends from several goroutines, and says the number of each batch when it is acknowledged.
func writeForEver(dir string) error {
	j, err := Open(dir, Options{MaxFile: 100 << 10, Every: 1})
	if err != nil {
		return err
	}
	first := int(j.next) * 1000 // other numbers than the process before
	failed := make(chan error)
	var out sync.Mutex
	for g := range 4 {
		go func() {
			for n := first + g; ; n += 4 {
				b := together(lines.Generate(uint64(n), 1+n%50))
				b[0].Message = strconv.Itoa(n)
				if err := j.Append(context.Background(), packed.Pack(b, nil)); err != nil {
					failed <- err
				}
				out.Lock()
				fmt.Fprintln(os.Stdout, n)
				out.Unlock()
			}
		}()
	}
	return <-failed
}

// TestKill kills a process that writes, and looks for every batch that it was told is durable.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	random := rand.New(rand.NewPCG(4, 4))
	acknowledged := map[int]bool{}
	for range 5 {
		child := exec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(os.Environ(), childDir+"="+dir)
		child.Stderr = os.Stderr
		pipe, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		kill := 1 + random.IntN(60)
		said := bufio.NewScanner(pipe)
		for i := 0; said.Scan(); i++ {
			n, err := strconv.Atoi(said.Text())
			if err != nil {
				break // cut in the middle: it was killed
			}
			acknowledged[n] = true
			if i == kill {
				if err := child.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if child.Wait() == nil {
			t.Fatal("it ended by itself")
		}
		checkKilled(t, dir, acknowledged)
	}
	if len(acknowledged) < 5 {
		t.Errorf("only %d batches were acknowledged", len(acknowledged))
	}
}

func checkKilled(t *testing.T, dir string, acknowledged map[int]bool) {
	t.Helper()
	j := open(t, dir, Options{})
	defer shut(t, j)
	records, damages := replayAll(t, j, Position{})
	if len(damages) > 0 {
		t.Fatal(damages[0])
	}
	found := map[int]bool{}
	for _, r := range records {
		n, err := strconv.Atoi(r.Entries[0].Message)
		if err != nil || len(r.Entries) != 1+n%50 || r.Entries[len(r.Entries)-1].Trace != together(lines.Generate(uint64(n), 1+n%50))[n%50].Trace {
			t.Fatalf("not what was written: %+v", r)
		}
		found[n] = true
	}
	for n := range acknowledged {
		if !found[n] {
			t.Errorf("batch %d was acknowledged, and is not there", n)
		}
	}
}
