package e2e

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// nothing leaves a file as it is.
func nothing(*testing.T, string) (most int) { return 0 }

// cutJournal cuts a journal at a random byte of its second half, as a crash of the machine can.
func cutJournal(t *testing.T, path string) (most int) {
	t.Helper()
	text := read(t, path)
	at := cut(t, path, text)
	for r := range records(text) {
		if r.end > at {
			most += r.lines
		}
	}
	return most
}

// cutSegment cuts a segment at a random byte of its second half.
func cutSegment(t *testing.T, path string) (most int) {
	t.Helper()
	text := read(t, path)
	at := cut(t, path, text)
	return sealedServices*sealedLines*(len(text)-at)/len(text) + 2*groupLines
}

func cut(t *testing.T, path string, text []byte) (at int) {
	t.Helper()
	at = len(text)/2 + rand.IntN(len(text)-len(text)/2)
	t.Logf("%s is cut at byte %d of %d", filepath.Base(path), at, len(text))
	write(t, path, text[:at])
	return at
}

// headers is how many bytes of a file are left alone: the journal has its header twice, and needs it once.
const headers = 128

// flipJournal changes one bit of a journal.
func flipJournal(t *testing.T, path string) (most int) {
	t.Helper()
	text := read(t, path)
	flip(t, path, text, headers, len(text))
	return batchLines
}

// flipSegment changes one bit of a segment.
func flipSegment(t *testing.T, path string) (most int) {
	t.Helper()
	text := read(t, path)
	flip(t, path, text, headers, len(text))
	return groupLines
}

// flip changes one bit of a part of a file.
func flip(t *testing.T, path string, text []byte, from, end int) {
	t.Helper()
	at, bit := from+rand.IntN(end-from), rand.IntN(8)
	t.Logf("bit %d of byte %d of %d of %s is flipped", bit, at, len(text), filepath.Base(path))
	text[at] ^= 1 << bit
	write(t, path, text)
}

// cutUnknown cuts a segment, and takes its index away, which knows where everything is.
func cutUnknown(t *testing.T, path string) (most int) {
	t.Helper()
	most = cutSegment(t, path)
	removeIndex(t, path)
	return most
}

// flipUnknown changes one bit of the lines of a segment, and takes its index away, which has a checksum for each part.
func flipUnknown(t *testing.T, path string) (most int) {
	t.Helper()
	text := read(t, path)
	flip(t, path, text, headers, len(text)/2)
	removeIndex(t, path)
	return groupLines
}

func removeIndex(t *testing.T, segment string) {
	t.Helper()
	if err := os.Remove(strings.TrimSuffix(segment, ".parquet") + ".index"); err != nil {
		t.Fatal(err)
	}
}

// The places of what a journal has a checksum of; see its package.
const (
	saltAt, firstRecord        = 28, 82
	recordHead, headSumAt      = 29, 25
	lengthAt, linesAt          = 4, 8
	payloadSumAt               = 13
	recordMagic, wordOfTheText = "\xf7GJR", ": GET /items/"
)

// record is one of a journal.
type record struct{ at, end, lines int }

// records are those of a journal that is whole.
func records(journal []byte) iter.Seq[record] {
	return func(yield func(record) bool) {
		for at := firstRecord; at+recordHead <= len(journal) && string(journal[at:at+len(recordMagic)]) == recordMagic; {
			length, lines := binary.LittleEndian.Uint32(journal[at+lengthAt:]), binary.LittleEndian.Uint32(journal[at+linesAt:])
			r := record{at, at + recordHead + int(length), int(lines)}
			if !yield(r) {
				return
			}
			at = r.end
		}
	}
}

// forge changes one bit of a line in a journal, and makes its checksums fit: as if nobody looked at them.
func forge(t *testing.T, path string) (most int) {
	t.Helper()
	text := read(t, path)
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	for r := range records(text) {
		head, payload := text[r.at:r.at+recordHead], text[r.at+recordHead:r.end]
		i := bytes.Index(payload, []byte(wordOfTheText))
		if i < 0 {
			continue
		}
		payload[i+2] ^= 1
		binary.LittleEndian.PutUint32(head[payloadSumAt:], crc32.Checksum(payload, castagnoli))
		place := binary.LittleEndian.AppendUint64(bytes.Clone(text[saltAt:saltAt+8]), uint64(r.at))
		sum := crc32.Update(crc32.Checksum(place, castagnoli), castagnoli, head[:headSumAt])
		binary.LittleEndian.PutUint32(head[headSumAt:], sum)
		t.Logf("bit 0 of byte %d of %d of %s is flipped, and its checksums fit", r.at+recordHead+i+2, len(text), filepath.Base(path))
		write(t, path, text)
		return r.lines
	}
	t.Fatalf("no record of %s has a line with %q", path, wordOfTheText)
	return 0
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
