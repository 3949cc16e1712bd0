package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
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
	kept kept
	// glob is which files, below the directory of the logs: the last one is injured.
	glob string
	// injure changes the file, and gives how many lines that may cost.
	injure func(t *testing.T, path string) (most int)
	// told is what the gateway says of it, with the number of lines that are lost if that is known.
	told *regexp.Regexp
	// end says that it is the end of the journal that is lost: nobody can know then what was there.
	end bool
}

const (
	opensSoon    = "it opens within 5 s"
	reported     = "the damage is reported with its range"
	anEvent      = "the damage is an event"
	answersSaySo = "answers that lack lines say so, and no others"
	inOnePiece   = "only what is damaged is lost"
	allTold      = "no more is lost than is told"
	nothingWrong = "no line is found that nobody has sent"
)

// The lines of the scenarios: sealed ones, which are in a segment, and late ones, which are in the journal only.
const (
	sealedServices = 10
	sealedLines    = 25_000 // of each
	lateLines      = 2_000
	batchLines     = 2_500 // sent at once
	// groupLines is how many lines of a segment share their columns: they are lost together.
	groupLines = 16_384
	lastLine   = sealedServices*sealedLines + lateLines - 1
)

// kept is the data of a gateway that is stopped.
type kept struct {
	dir   string
	since time.Time
}

// keep writes the lines, which takes long: all scenarios begin with a copy.
func keep(t *testing.T) kept {
	t.Helper()
	g := storing(t)
	k := kept{g.Data(), time.Now()}
	for service := range sealedServices {
		send(t, g, service, sealedLines)
	}
	process.Until(t, time.Minute, "a segment is there", func() bool { return len(list(t, k.dir, "logs/short/*.index")) > 0 })
	send(t, g, sealedServices, lateLines)
	g.Stop(t, upWithin)
	return k
}

// nameOf is the name of a service: the last one is that of the late lines.
func nameOf(service int) string {
	if service == sealedServices {
		return "late"
	}
	return fmt.Sprint("sealed-", service)
}

func text(service, i int) string {
	return fmt.Sprintf("line %d of %d: GET /items/%d?page=%d answered with 200 after %d ms", i, service, i*7, i%9, i%213)
}

// send sends the lines of a service, and sends again what there is no room for yet.
func send(t *testing.T, g *harness.Gateway, service, lines int) {
	t.Helper()
	for first := 0; first < lines; first += batchLines {
		var b strings.Builder
		for i := first; i < min(first+batchLines, lines); i++ {
			fmt.Fprintf(&b, `{"time":%q,"service":%q,"level":"info","msg":%q}`+"\n",
				time.Now().Format(time.RFC3339Nano), nameOf(service), text(service, i))
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
	cfg := standard.config(replicas(t, 1)...)
	cfg.Keeps, cfg.Data = true, t.TempDir()
	logs := filepath.Join(cfg.Data, "logs")
	if err := os.CopyFS(logs, os.DirFS(filepath.Join(c.kept.dir, "logs"))); err != nil {
		t.Fatal(err)
	}
	files := list(t, logs, c.glob)
	if len(files) == 0 {
		t.Fatalf("no %s in %s", c.glob, logs)
	}
	most := c.injure(t, files[len(files)-1])
	began := time.Now()
	g := harness.Start(t, cfg)
	g.StoreUp(t, upWithin)
	took := time.Since(began)
	f.Claim(opensSoon, took <= 5*time.Second, "%v", took)

	found := lookFor(t, g, c.kept.since)
	f.Claim(nothingWrong, found.wrong == 0, "%d", found.wrong)
	missing, evidence := found.missing, "nothing"
	lost := len(missing)
	piece := lost == 0 || missing[lost-1]-missing[0] == lost-1 && (!c.end || missing[lost-1] == lastLine)
	if lost > 0 {
		evidence = fmt.Sprintf("%d lines, from %d to %d", lost, missing[0], missing[lost-1])
	}
	f.Claim(inOnePiece, piece && lost <= most, "%s; at most %d", evidence, most)
	told, tellsLost, event := []string{}, 0, ""
	soon(func() bool {
		told, tellsLost = toldBy(g, c.told)
		event = damageEvent(t, g, "logs/"+filepath.Dir(c.glob))
		return len(told) > 0 && (tellsLost < 0 || tellsLost >= lost) && event != ""
	})
	f.Claim(reported, len(told) > 0, "%.2000s", strings.Join(told, "\n"))
	f.Claim(anEvent, event != "", "%s", event)
	if strings.HasPrefix(c.glob, "short") { // of the journal, what is told are places in the file
		f.Claim(allTold, lost == 0 || tellsLost >= lost, "%d; told are %d", lost, tellsLost)
	}
	if !c.end {
		f.Claim(answersSaySo, len(found.silent)+len(found.alarmed) == 0 || strings.HasPrefix(c.glob, "journal") && len(found.silent) == 0,
			"nothing is said for %v, too much for %v: %q", found.silent, found.alarmed, found.warnings)
	}
}

// findings are the lines that are there, and those that are not.
type findings struct {
	missing  []int // in the order of sending
	wrong    int   // lines that were never sent
	warnings []string
	// silent are the services whose answer lacks lines without a warning, alarmed those whose answer has one and is whole.
	silent, alarmed []string
}

// lookFor reads all lines.
func lookFor(t *testing.T, g *harness.Gateway, since time.Time) (f findings) {
	t.Helper()
	for service := range sealedServices + 1 {
		lines := sealedLines
		if service == sealedServices {
			lines = lateLines
		}
		answer, err := g.Search(fmt.Sprintf("{service=%q}", nameOf(service)), since, time.Now().Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]int{}
		for _, text := range answer.Texts {
			found[text]++
		}
		before := len(f.missing)
		for i := range lines {
			if found[text(service, i)]--; found[text(service, i)] < 0 {
				f.missing = append(f.missing, service*sealedLines+i)
				found[text(service, i)] = 0
			}
		}
		for n := range maps.Values(found) {
			f.wrong += n
		}
		f.warnings = append(f.warnings, answer.Warnings...)
		switch lacks, says := len(f.missing) > before, len(answer.Warnings) > 0; {
		case lacks && !says:
			f.silent = append(f.silent, nameOf(service))
		case says && !lacks:
			f.alarmed = append(f.alarmed, nameOf(service))
		}
	}
	before, err := g.Search("{}", since.Add(-time.Hour), since.Add(-time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if len(before.Warnings) > 0 {
		f.alarmed = append(f.alarmed, "the time before")
	}
	return f
}

// foundOutWithin is how long it may take until damage is found where nobody asks for the lines, and is told.
const foundOutWithin = 10 * time.Second

// toldBy gives what the log of the gateway says that fits, and how many lines are lost, as far as it says that; else -1.
func toldBy(g *harness.Gateway, is *regexp.Regexp) (told []string, sum int) {
	sum = -1
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
	return told, sum
}

// damageEvent gives the first event about a directory of the data; "" when there is none.
func damageEvent(t *testing.T, g *harness.Gateway, dir string) string {
	t.Helper()
	var page struct {
		Events []struct{ Kind, Key, From, To, Reason string }
	}
	if err := json.Unmarshal([]byte(g.Get(t, "/api/v1/events?limit=1000")), &page); err != nil {
		t.Fatal(err)
	}
	for _, e := range page.Events {
		if e.Kind == "damage" && strings.HasPrefix(e.Key, dir+"/") {
			return fmt.Sprintf("%+v", e)
		}
	}
	return ""
}

// soon waits until something is so, or it has taken too long.
func soon(is func() bool) {
	for end := time.Now().Add(foundOutWithin); !is() && time.Now().Before(end); {
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

// TestDamage injures files of a store while it is stopped.
func TestDamage(t *testing.T) {
	t.Parallel()
	k := keep(t)
	const journal, segment = "journal/*.journal", "short/*.parquet"
	for name, c := range map[string]struct {
		injury injury
		twin   harness.Twin[injury]
	}{
		"torn journal": {
			injury{k, journal, cutJournal, journalTold, true},
			harness.Twin[injury]{Name: "damage", Config: injury{k, journal, nothing, journalTold, true}, Breaks: []string{reported, anEvent}},
		},
		"flipped bit in the journal": {
			injury{k, journal, flipJournal, journalTold, false},
			harness.Twin[injury]{
				Name: "checksums that differ", Config: injury{k, journal, forge, journalTold, false},
				Breaks: []string{nothingWrong, reported, anEvent, answersSaySo},
			},
		},
		"torn segment": {
			injury{k, segment, cutSegment, segmentTold, false},
			harness.Twin[injury]{
				Name: "its index", Config: injury{k, segment, cutUnknown, segmentTold, false},
				Breaks: []string{inOnePiece, reported, allTold},
			},
		},
		"flipped bit in a segment": {
			injury{k, segment, flipSegment, segmentTold, false},
			harness.Twin[injury]{
				Name: "its index", Config: injury{k, segment, flipUnknown, segmentTold, false},
				Breaks: []string{inOnePiece, reported, allTold},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			harness.Prove(t, injured, c.injury, c.twin)
		})
	}
}
