package e2e

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion/test/harness"
	"github.com/gabion-io/gabion/test/process"
)

// injury is what happens to a file of a store that is stopped.
type injury struct {
	// glob is which files, below the directory of the logs: the last one is injured.
	glob string
	// injure changes the file. Nothing happens when it is nil.
	injure func(t *testing.T, path string)
	// told is what the gateway says of it, with the number of lines that are lost if that is known.
	told *regexp.Regexp
	// last says that what is lost is what came last.
	last bool
}

// cut cuts a file at a random byte of its second half, as a crash of the machine can.
func cut(t *testing.T, path string) {
	t.Helper()
	size := sizeOf(t, path)
	at := size/2 + rand.Int64N(size-size/2)
	t.Logf("%s is cut at byte %d of %d", filepath.Base(path), at, size)
	if err := os.Truncate(path, at); err != nil {
		t.Fatal(err)
	}
}

// headers is how many bytes of a file are left alone: the journal has its header twice, and needs it once.
const headers = 128

// flip changes one bit of a file.
func flip(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at, bit := headers+rand.IntN(len(text)-headers), rand.IntN(8)
	t.Logf("bit %d of byte %d of %d of %s is flipped", bit, at, len(text), filepath.Base(path))
	text[at] ^= 1 << bit
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func sizeOf(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

const (
	opensSoon    = "it opens within 5 s"
	reported     = "the damage is reported with its range"
	inOnePiece   = "only what is damaged is lost"
	allTold      = "no more is lost than is told"
	nothingWrong = "no line is found that nobody has sent"
)

// The lines of the scenario: sealed ones, which are in a segment, and late ones, which are in the journal only.
const (
	sealedServices = 10
	sealedLines    = 25_000 // of each
	lateLines      = 2_000
)

func text(service, i int) string {
	return fmt.Sprintf("line %d of %d: GET /items/%d?page=%d answered with 200 after %d ms", i, service, i*7, i%9, i%213)
}

// write sends the lines of a service, and sends again what there is no room for yet.
func write(t *testing.T, g *harness.Gateway, name string, service, lines int) {
	t.Helper()
	const batch = 2_500
	for first := 0; first < lines; first += batch {
		var b strings.Builder
		for i := first; i < min(first+batch, lines); i++ {
			fmt.Fprintf(&b, `{"time":%q,"service":%q,"level":"info","msg":%q}`+"\n",
				time.Now().Format(time.RFC3339Nano), name, text(service, i))
		}
		process.Until(t, upWithin, "the lines are taken", func() bool {
			status, answer := g.Send("/api/v1/logs", "application/x-ndjson", b.String())
			if status != 200 && status != 429 && status != 503 || status == 200 && !strings.Contains(answer, `"refused":0`) {
				t.Fatalf("%d %s", status, answer)
			}
			return status == 200
		})
	}
}

func injured(t *testing.T, c injury, f *harness.Findings) {
	g := storing(t)
	since := time.Now()
	for service := range sealedServices {
		write(t, g, fmt.Sprintf("sealed-%d", service), service, sealedLines)
	}
	logs := filepath.Join(g.Data(), "logs")
	segments := func() []string { return list(t, logs, "short/*.parquet") }
	process.Until(t, time.Minute, "a segment is there", func() bool { return len(segments()) > 0 })
	write(t, g, "late", sealedServices, lateLines)
	g.Stop(t, upWithin)

	if c.injure != nil {
		files := list(t, logs, c.glob)
		if len(files) == 0 {
			t.Fatalf("no %s in %s", c.glob, logs)
		}
		c.injure(t, files[len(files)-1])
	}
	began := time.Now()
	g.Restart(t)
	g.StoreUp(t, upWithin)
	took := time.Since(began)
	f.Claim(opensSoon, took <= 5*time.Second, "%v", took)

	missing, wrong := missingOf(t, g, since)
	f.Claim(nothingWrong, wrong == 0, "%d", wrong)
	lost := len(missing)
	piece := lost == 0 || missing[lost-1]-missing[0] == lost-1 && (!c.last || missing[lost-1] == sealedServices*sealedLines+lateLines-1)
	evidence := "nothing"
	if lost > 0 {
		evidence = fmt.Sprintf("%d lines, from %d to %d", lost, missing[0], missing[lost-1])
	}
	f.Claim(inOnePiece, piece, "%s", evidence)
	told, tellsLost := told(g, c.told, lost)
	f.Claim(reported, len(told) > 0, "%.2000s", strings.Join(told, "\n"))
	// Of the journal, what is told are places in the file.
	f.Claim(allTold, lost == 0 || tellsLost >= lost || strings.HasPrefix(c.glob, "journal"), "%d; told are %d", lost, tellsLost)
}

// missingOf reads all lines and gives which ones, in the order of sending, are not there, and how many were never sent.
func missingOf(t *testing.T, g *harness.Gateway, since time.Time) (missing []int, wrong int) {
	t.Helper()
	for service := range sealedServices + 1 {
		name, lines := fmt.Sprintf("sealed-%d", service), sealedLines
		if service == sealedServices {
			name, lines = "late", lateLines
		}
		texts, err := g.Lines(fmt.Sprintf("{service=%q}", name), since, time.Now().Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]int{}
		for _, text := range texts {
			found[text]++
		}
		for i := range lines {
			if found[text(service, i)]--; found[text(service, i)] < 0 {
				missing = append(missing, service*sealedLines+i)
				found[text(service, i)] = 0
			}
		}
		for n := range maps.Values(found) {
			wrong += n
		}
	}
	return missing, wrong
}

// told waits until the gateway has said something that fits, and enough of it, and gives the lines of its log and how many
// lines are lost, as far as they say that; else -1.
func told(g *harness.Gateway, is *regexp.Regexp, lost int) (told []string, sum int) {
	for end := time.Now().Add(10 * time.Second); ; {
		told, sum = nil, -1
		for line := range strings.Lines(g.Log()) {
			m := is.FindStringSubmatch(line)
			if m == nil {
				continue
			}
			told = append(told, m[0])
			if n, err := strconv.Atoi(m[1]); err == nil {
				sum = max(sum, 0) + n
			}
		}
		if len(told) > 0 && (sum < 0 || sum >= lost) || time.Now().After(end) {
			return told, sum
		}
		timer := time.NewTimer(50 * time.Millisecond)
		<-timer.C
	}
}

func list(t *testing.T, dir, glob string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, glob))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	return files
}

var (
	journalTold = regexp.MustCompile(`journal of the logs is damaged.*"from":\d+,"to":\d+()|interrupted was cut.*"from":\d+,"to":\d+()`)
	segmentTold = regexp.MustCompile(`segment of the logs is damaged.*"part":"[^"]+"(?:.*"first_row":\d+,"lost_lines":(\d+),"from":"[^"]+","to":"[^"]+")?`)
)

func TestTornJournal(t *testing.T) {
	t.Parallel()
	harness.Prove(t, injured, injury{"journal/*.journal", cut, journalTold, true},
		harness.Twin[injury]{Name: "damage", Config: injury{"journal/*.journal", nil, journalTold, true}, Breaks: []string{reported}})
}

func TestFlippedBitInTheJournal(t *testing.T) {
	t.Parallel()
	harness.Prove(t, injured, injury{"journal/*.journal", flip, journalTold, false})
}

func TestTornSegment(t *testing.T) {
	t.Parallel()
	harness.Prove(t, injured, injury{"short/*.parquet", cut, segmentTold, false})
}

func TestFlippedBitInASegment(t *testing.T) {
	t.Parallel()
	harness.Prove(t, injured, injury{"short/*.parquet", flip, segmentTold, false})
}
