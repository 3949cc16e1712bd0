package journal

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/gabion-io/gabion/server/logs/entry"
	"github.com/gabion-io/gabion/server/logs/internal/packed"
)

// image is a journal of several files, in memory.
type image map[string][]byte

func newImage(t *testing.T, all [][]entry.Entry, maxFile int64) image {
	t.Helper()
	m := newMemoryFS()
	j := open(t, "j", Options{FS: m, MaxFile: maxFile})
	appendAll(t, j, all)
	shut(t, j)
	i := image{}
	for path, n := range m.files {
		i[path] = n.data
	}
	return i
}

// mount gives a file system that holds a copy.
func (i image) mount() *memoryFS {
	m := newMemoryFS()
	for path, data := range i {
		m.files[path] = &inode{data: bytes.Clone(data)}
		m.durable[path] = m.files[path]
	}
	return m
}

func path(n uint64) string { return filepath.Join("j", name(n)) }

// within fails when a record is not the batch of its sequence.
func within(t *testing.T, records []Record, all [][]entry.Entry) {
	t.Helper()
	before := uint64(0)
	for _, r := range records {
		if r.Sequence <= before || r.Sequence > uint64(len(all)) || !reflect.DeepEqual(r.Entries, all[r.Sequence-1]) {
			t.Fatalf("record %d after %d is not what was written: %+v", r.Sequence, before, r.Entries)
		}
		before = r.Sequence
	}
}

func lost(damages []*DamageError) (n uint64, certain bool) {
	certain = true
	for _, d := range damages {
		n += d.Records
		certain = certain && !d.More
	}
	return n, certain
}

func TestTornAtEveryByte(t *testing.T) {
	all := batches(6)
	whole := newImage(t, all, 1<<20)[path(1)]
	j := open(t, "j", Options{FS: image{path(1): whole}.mount()})
	written, _ := replayAll(t, j, Position{})
	for size := range whole {
		j := open(t, "j", Options{FS: image{path(1): whole[:size]}.mount()})
		n := 0
		for n < len(written) && written[n].End.Offset <= int64(size) {
			n++
		}
		records, damages := replayAll(t, j, Position{})
		same(t, records, all[:n])
		if len(damages) > 0 {
			t.Fatalf("cut at %d: %v", size, damages[0])
		}
		clean := size == firstOffset || n > 0 && written[n-1].End.Offset == int64(size)
		if torn := j.Torn(); (torn.File == "") != clean || !clean && torn.To != int64(size) {
			t.Fatalf("cut at %d: %+v", size, torn)
		}
		appendAll(t, j, all[n:])
		records, damages = replayAll(t, j, Position{})
		same(t, records, all)
		if len(damages) > 0 {
			t.Fatalf("cut at %d, and appended: %v", size, damages[0])
		}
	}
}

func TestZerosAtTheEndAreCut(t *testing.T) {
	all := batches(6)
	i := newImage(t, all, 1<<20)
	i[path(1)] = append(i[path(1)], make([]byte, 4096)...)
	i[path(2)] = make([]byte, 4096)
	j := open(t, "j", Options{FS: i.mount()})
	records, damages := replayAll(t, j, Position{})
	if same(t, records, all); len(damages) > 0 {
		t.Error(damages[0])
	}
}

func TestMiddleFileCutAtEveryByte(t *testing.T) {
	all := batches(20)
	i := newImage(t, all, 800)
	whole := i[path(2)]
	for size := range whole {
		i[path(2)] = whole[:size]
		j := open(t, "j", Options{FS: i.mount()})
		records, damages := replayAll(t, j, Position{})
		within(t, records, all)
		if n, certain := lost(damages); int(n)+len(records) != len(all) || n == 0 || !certain || damages[0].File != path(2) {
			t.Fatalf("cut at %d: %d records, %v", size, len(records), damages)
		}
	}
	delete(i, path(2))
	j := open(t, "j", Options{FS: i.mount()})
	records, damages := replayAll(t, j, Position{})
	within(t, records, all)
	if n, _ := lost(damages); int(n)+len(records) != len(all) || len(damages) != 1 {
		t.Fatalf("without the file: %d records, %v", len(records), damages)
	}
}

// TestBitFlips flips one bit: one record is lost at most, and is told.
func TestBitFlips(t *testing.T) {
	all := batches(20)
	i := newImage(t, all, 800)
	random := rand.New(rand.NewPCG(1, 1))
	last := path(uint64(len(i)))
	for file, whole := range i {
		for range 100 {
			at := random.IntN(len(whole))
			m := i.mount()
			m.files[file].data[at] ^= 1 << random.IntN(8)
			j := open(t, "j", Options{FS: m})
			records, damages := replayAll(t, j, Position{})
			within(t, records, all)
			n, certain := lost(damages)
			if int(n)+len(records) != len(all) || n > 1 || certain == (file == last && n == 1 && len(records) == 19 && records[18].Sequence == 19) {
				t.Fatalf("byte %d of %s: %d records, %v", at, file, len(records), damages)
			}
			if n == 1 {
				d := damages[0]
				if d.File != file || int64(at) < d.From || int64(at) >= d.To || !strings.Contains(d.Error(), file) {
					t.Fatalf("byte %d of %s: %v", at, file, d)
				}
			}
			if err := j.Append(t.Context(), packed.Pack(all[0], nil)); err != nil {
				t.Fatal(err)
			}
			again, damages := replayAll(t, j, Position{})
			if m, _ := lost(damages); len(again) != len(records)+1 || m != n {
				t.Fatalf("byte %d of %s, and appended: %d records, %v", at, file, len(again), damages)
			}
		}
	}
}

// TestMuchDamage overwrites whole ranges with noise, headers as well.
func TestMuchDamage(t *testing.T) {
	all := batches(40)
	i := newImage(t, all, 1500)
	random := rand.New(rand.NewPCG(2, 2))
	for round := range 300 {
		m := i.mount()
		for range 1 + random.IntN(4) {
			data := m.files[path(1+random.Uint64N(uint64(len(i))))].data
			from := random.IntN(len(data))
			to := min(from+random.IntN(400), len(data))
			for at := from; at < to; at++ {
				data[at] = byte(random.Uint32())
			}
		}
		j := open(t, "j", Options{FS: m})
		records, damages := replayAll(t, j, Position{})
		within(t, records, all)
		n, certain := lost(damages)
		if total := int(n) + len(records); total > len(all) || certain && total != len(all) || len(records) < len(all) && len(damages) == 0 {
			t.Fatalf("round %d: %d records, %v", round, len(records), damages)
		}
		for k, d := range damages {
			after := 0
			for _, r := range records {
				if path(r.Start.File) == d.File && r.Start.Offset >= d.To {
					after++
				}
			}
			if d.IntactRecords != after {
				t.Fatalf("round %d, damage %d: %d records are after it, not as %v", round, k, after, d)
			}
		}
		appendAll(t, j, all[:2])
		shut(t, j)
		j = open(t, "j", Options{FS: m})
		again, _ := replayAll(t, j, Position{})
		if same(t, again[len(again)-2:], all[:2]); len(again) != len(records)+2 {
			t.Fatalf("round %d: %d records, and 2 more are %d", round, len(records), len(again))
		}
	}
}

// TestLineThatLooksLikeARecord damages a record whose text holds a copy of another record, which must not be found.
func TestLineThatLooksLikeARecord(t *testing.T) {
	all := batches(3)
	i := newImage(t, all, 1<<20)
	forged := i[path(1)][firstOffset:]
	all = append(all, []entry.Entry{{Message: strings.Repeat(string(forged), 20)}})
	i = newImage(t, append(all, batches(1)...), 1<<20)
	for at := range recordHeadSize {
		m := i.mount()
		j := open(t, "j", Options{FS: i.mount()})
		whole, _ := replayAll(t, j, Position{})
		m.files[path(1)].data[whole[3].Start.Offset+int64(at)] ^= 0xff
		j = open(t, "j", Options{FS: m})
		records, damages := replayAll(t, j, Position{})
		if len(records) != 4 || len(damages) != 1 || damages[0].Records != 1 || records[3].Sequence != 5 {
			t.Fatalf("%d records, %v", len(records), damages)
		}
	}
}

// TestRecordFromElsewhere puts whole records where they were not written: from another journal, and from another place of the
// same file.
func TestRecordFromElsewhere(t *testing.T) {
	var all, others [][]entry.Entry
	for _, c := range "abcdef" {
		all = append(all, []entry.Entry{{Message: string(c)}})
		others = append(others, []entry.Entry{{Message: strings.ToUpper(string(c))}})
	}
	i, other := newImage(t, all, 1<<20), newImage(t, others, 1<<20)
	file := i[path(1)]
	size := (len(file) - firstOffset) / len(all)
	third := firstOffset + 2*size
	for what, source := range map[string][]byte{
		"another journal": other[path(1)][third:],
		"place 4":         bytes.Clone(file[third+size:]),
		"place 2":         bytes.Clone(file[third-size:]),
	} {
		m := i.mount()
		copy(m.files[path(1)].data[third:third+size], source)
		records, damages := replayAll(t, open(t, "j", Options{FS: m}), Position{})
		if within(t, records, all); len(records) != 5 || len(damages) != 1 || damages[0].From != int64(third) || damages[0].To != int64(third+size) {
			t.Errorf("from %s: %d records, %v", what, len(records), damages)
		}
	}
}

// TestLeftOver shows a file that still has records which a later file took back: their write had failed.
func TestLeftOver(t *testing.T) {
	all := batches(6)
	i := newImage(t, all[:4], 1<<20)
	m := i.mount()
	records, _ := replayAll(t, open(t, "j", Options{FS: m}), Position{})
	shorter := image{path(1): i[path(1)][:records[2].Start.Offset]}.mount()
	j := open(t, "j", Options{FS: shorter})
	if _, err := j.Rotate(); err != nil {
		t.Fatal(err)
	}
	appendAll(t, j, all[4:])
	i[path(2)] = shorter.files[path(2)].data
	records, damages := replayAll(t, open(t, "j", Options{FS: i.mount()}), Position{})
	if same(t, records, append(all[:2:2], all[4:]...)); len(damages) > 0 {
		t.Error(damages[0])
	}
}

func TestReplayFromInsideOfARecord(t *testing.T) {
	all := batches(5)
	j := open(t, t.TempDir(), Options{})
	appendAll(t, j, all)
	from := j.End()
	appendAll(t, j, all)
	from.Offset--
	records, damages := replayAll(t, j, from)
	same(t, records, all)
	if len(damages) != 1 || !damages[0].More || damages[0].From != from.Offset {
		t.Error(damages)
	}
}

// TestBadSectors lets the disk fail to read one byte, and with it what is around it.
func TestBadSectors(t *testing.T) {
	all := batches(400)
	i := newImage(t, all, 20_000)
	random := rand.New(rand.NewPCG(5, 5))
	for file, whole := range i {
		for range 20 {
			m := i.mount()
			m.files[file].bad = firstOffset + random.Int64N(int64(len(whole)-firstOffset))
			j := open(t, "j", Options{FS: m})
			records, damages := replayAll(t, j, Position{})
			within(t, records, all)
			n, certain := lost(damages)
			if certain && int(n)+len(records) != len(all) || n == 0 || len(records) < 200 || !strings.Contains(damages[0].Error(), errDisk.Error()) {
				t.Fatalf("byte %d of %s: %d records, %v", m.files[file].bad, file, len(records), damages)
			}
			appendAll(t, j, all[:1])
			if j.Torn() != (Torn{}) {
				t.Fatalf("byte %d of %s: %+v was cut", m.files[file].bad, file, j.Torn())
			}
		}
	}
}

func FuzzFile(f *testing.F) {
	m := newMemoryFS()
	j, err := Open("j", Options{FS: m, Every: 1})
	if err != nil {
		f.Fatal(err)
	}
	all := batches(4)
	for _, b := range all {
		if err := j.Append(f.Context(), packed.Pack(b, nil)); err != nil {
			f.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		f.Fatal(err)
	}
	whole := m.files[path(1)].data
	f.Add(whole, 0, []byte{})
	f.Add(whole, firstOffset+recordHeadSize+3, []byte("noise"))
	f.Fuzz(func(t *testing.T, file []byte, at int, noise []byte) {
		data := bytes.Clone(file)
		if at >= 0 && at < len(data) {
			copy(data[at:], noise)
		}
		j := &Journal{dir: "j", options: Options{FS: image{path(1): data}.mount(), MaxFile: 1 << 20}, next: 1}
		err := j.recover() // no more than Open needs, so that no goroutine disturbs
		if errors.Is(err, ErrVersion) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		records, _ := replayAll(t, j, Position{})
		if bytes.Equal(file, whole) {
			within(t, records, all)
		}
		b := &batch{result: make(chan error, 1)}
		b.record, b.head = encodeRecord(packed.Pack(all[0], nil))
		if j.commit([]*batch{b}); <-b.result != nil {
			t.Fatal("it cannot be continued")
		}
		if again, _ := replayAll(t, j, Position{}); len(again) != len(records)+1 {
			t.Fatalf("%d records, then %d", len(records), len(again))
		}
	})
}

func TestUnreadable(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{MaxFile: 500})
	appendAll(t, j, batches(10))
	if err := os.Remove(files(t, dir)[1]); err != nil {
		t.Fatal(err)
	}
	var failed error
	for _, err := range j.Replay(Position{}) {
		failed = err
	}
	if !errors.Is(failed, os.ErrNotExist) {
		t.Errorf("a file is missing: %v", failed)
	}
}
