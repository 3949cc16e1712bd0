package journal

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gabion-io/gabion/server/logs/entry"
	"github.com/gabion-io/gabion/server/logs/internal/lines"
	"github.com/gabion-io/gabion/server/logs/internal/packed"
)

// open opens a journal that commits at once, and closes it when the test ends.
func open(t *testing.T, dir string, options Options) *Journal {
	t.Helper()
	options.Every = max(options.Every, 1)
	j, err := Open(dir, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, j) })
	return j
}

func shut(t *testing.T, j *Journal) {
	t.Helper()
	if err := j.Close(); err != nil {
		t.Error(err)
	}
}

// batches are n batches of one to four lines; the message of the first line of each is its number.
func batches(n int) [][]entry.Entry {
	all, pool := make([][]entry.Entry, n), lines.Generate(1, 4*n)
	for i := range all {
		all[i] = together(pool[4*i:][:1+i%4])
		all[i][0].Message = strconv.Itoa(i)
	}
	return all
}

// together puts the lines of each service behind each other, as they are packed.
func together(all []entry.Entry) []entry.Entry {
	slices.SortStableFunc(all, func(a, b entry.Entry) int { return strings.Compare(a.Service, b.Service) })
	return all
}

func appendAll(t *testing.T, j *Journal, all [][]entry.Entry) {
	t.Helper()
	for _, b := range all {
		if err := j.Append(t.Context(), packed.Pack(b, nil)); err != nil {
			t.Fatal(err)
		}
	}
}

// replayAll returns what is in the journal.
func replayAll(t *testing.T, j *Journal, from Position) (records []Record, damages []*DamageError) {
	t.Helper()
	for r, err := range j.Replay(from) {
		if d, ok := errors.AsType[*DamageError](err); ok {
			damages = append(damages, d)
		} else if err != nil {
			t.Fatal(err)
		} else {
			records = append(records, r)
		}
	}
	return records, damages
}

// same fails when the records are not these batches.
func same(t *testing.T, records []Record, want [][]entry.Entry) {
	t.Helper()
	if len(records) != len(want) {
		t.Fatalf("%d records, want %d", len(records), len(want))
	}
	for i, r := range records {
		if !reflect.DeepEqual(r.Entries, want[i]) {
			t.Fatalf("record %d is %+v, want %+v", i, r.Entries, want[i])
		}
	}
}

func TestAppendAndReplay(t *testing.T) {
	dir, all := t.TempDir(), batches(40)
	j := open(t, dir, Options{MaxFile: 2000})
	if got := j.End(); got != (Position{}) {
		t.Errorf("an empty journal ends at %v", got)
	}
	appendAll(t, j, all[:20])
	shut(t, j)
	j = open(t, dir, Options{MaxFile: 2000})
	appendAll(t, j, all[20:])
	records, damages := replayAll(t, j, Position{})
	same(t, records, all)
	if len(damages) > 0 || j.Torn() != (Torn{}) {
		t.Errorf("%v %v", damages, j.Torn())
	}
	if last := records[39]; last.End != j.End() || last.Start.File < 4 || last.Sequence != 40 {
		t.Errorf("the last one is from %v to %v, %d; the end is %v", last.Start, last.End, last.Sequence, j.End())
	}
	for i, r := range records {
		after, _ := replayAll(t, j, r.End)
		same(t, after, all[i+1:])
		from, _ := replayAll(t, j, r.Start)
		same(t, from, all[i:])
	}
	for range j.Replay(Position{}) {
		break // must end without a panic
	}
	for _, from := range []Position{{File: 99}, {j.End().File, j.End().Offset + 1}} {
		for _, err := range j.Replay(from) {
			if !errors.Is(err, ErrPosition) {
				t.Errorf("from %v: %v", from, err)
			}
		}
	}
}

func TestFilesAreBounded(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{MaxFile: 4000})
	appendAll(t, j, batches(100))
	if err := j.Append(t.Context(), packed.Pack(lines.Generate(1, 500), nil)); err != nil { // larger than a file
		t.Fatal(err)
	}
	appendAll(t, j, batches(10))
	large := 0
	for _, f := range files(t, dir) {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > 4000 {
			large++
		}
	}
	if large != 1 {
		t.Errorf("%d files are too large", large)
	}
}

// files are the paths of the files of a journal, oldest first.
func files(t *testing.T, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*"+nameSuffix))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func TestTruncateAndRotate(t *testing.T) {
	dir, all := t.TempDir(), batches(30)
	j := open(t, dir, Options{MaxFile: 2000})
	appendAll(t, j, all[:20])
	before := len(files(t, dir))
	at, err := j.Rotate()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := j.Rotate(); again != at || err != nil {
		t.Errorf("rotated an empty file: %v after %v, %v", again, at, err)
	}
	appendAll(t, j, all[20:22])
	if err := j.Truncate(Position{}); err != nil || len(files(t, dir)) != before+1 {
		t.Errorf("%d files after a truncation that removes none, %v", len(files(t, dir)), err)
	}
	if err := j.Truncate(at); err != nil || len(files(t, dir)) != 1 {
		t.Errorf("%d files, %v", len(files(t, dir)), err)
	}
	records, damages := replayAll(t, j, Position{})
	same(t, records, all[20:22])
	if len(damages) > 0 || records[0].Sequence != 21 {
		t.Errorf("%v, sequence %d", damages, records[0].Sequence)
	}
	at, err = j.Rotate()
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Truncate(Position{File: 1 << 40}); err != nil || len(files(t, dir)) != 1 {
		t.Errorf("%d files, %v", len(files(t, dir)), err)
	}
	shut(t, j)
	j = open(t, dir, Options{MaxFile: 2000})
	if j.End() != at {
		t.Errorf("reopened at %v, want %v", j.End(), at)
	}
	appendAll(t, j, all[22:])
	records, damages = replayAll(t, j, at)
	same(t, records, all[22:])
	if len(damages) > 0 || records[0].Sequence != 23 {
		t.Errorf("%v, sequence %d", damages, records[0].Sequence)
	}
}

func TestReplayWhileFilesAreRemoved(t *testing.T) {
	all := batches(60)
	j := open(t, t.TempDir(), Options{MaxFile: 1000})
	appendAll(t, j, all)
	last := Record{}
	for r, err := range j.Replay(Position{}) {
		if err != nil {
			t.Fatal(err)
		}
		if r.Sequence == 5 {
			if err := j.Truncate(Position{File: j.End().File - 2}); err != nil {
				t.Fatal(err)
			}
		}
		last = r
	}
	if last.Sequence != 60 {
		t.Errorf("ended at %d", last.Sequence)
	}
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{})
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrLocked) {
		t.Errorf("opened twice: %v", err)
	}
	shut(t, j)
	open(t, dir, Options{})
}

func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{})
	if err := j.Append(t.Context(), packed.Pack(nil, nil)); err != nil {
		t.Errorf("nothing: %v", err)
	}
	big := make([]entry.Entry, packed.MaxLines+1)
	if err := j.Append(t.Context(), packed.Pack(big, nil)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	if err := j.Append(t.Context(), packed.Pack(big[:packed.MaxLines], nil)); err != nil {
		t.Errorf("as large as allowed: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := j.Append(ctx, packed.Pack(batches(1)[0], nil)); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	shut(t, j)
	if err := j.Append(t.Context(), packed.Pack(batches(1)[0], nil)); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if _, err := j.Rotate(); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if err := j.Truncate(Position{}); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if records, _ := replayAll(t, j, Position{}); len(records) != 1 {
		t.Errorf("%d records", len(records))
	}
	if _, err := Open(filepath.Join(dir, "lock"), Options{}); err == nil {
		t.Error("opened a file as a directory")
	}
}

func TestNewerVersionIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, name(1))
	b := header{version: version + 1, number: 1, first: 1}.encode()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrVersion) {
		t.Errorf("opened: %v", err)
	}
	if got, err := os.ReadFile(path); err != nil || !reflect.DeepEqual(got, b) {
		t.Errorf("it was changed, %v", err)
	}
}
