package tier

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/prometheus/prometheus/tsdb/wlog"
	"github.com/prometheus/prometheus/util/compression"
)

// written is a file of a log with records of all sizes, some over several pages, as the database writes it.
func written(t testing.TB) (text []byte) {
	t.Helper()
	dir := t.TempDir()
	w, err := wlog.New(nil, nil, dir, compression.None)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 100, 3 * pageSize, pageSize - recordHead, pageSize, 5000, 70, 7} {
		record := make([]byte, n)
		for i := range record {
			record[i] = byte(1 + random.IntN(255))
		}
		if err := w.Log(record); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if text, err = os.ReadFile(filepath.Join(dir, "00000000")); err != nil {
		t.Fatal(err)
	}
	return bytes.TrimRight(text, "\x00")
}

func isTorn(t testing.TB, text []byte) bool {
	t.Helper()
	is, err := torn(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return is
}

// Wherever a file is cut, it is torn, but for where a record ends; and wherever a bit is flipped in what comes before the last
// record, it is not.
func TestTorn(t *testing.T) {
	text := written(t)
	if isTorn(t, text) || isTorn(t, append(bytes.Clone(text), make([]byte, 1000)...)) || isTorn(t, nil) {
		t.Error("a whole file is torn")
	}
	whole := 0
	for cut := 1; cut < len(text); cut += 1 + cut%397 {
		if !isTorn(t, text[:cut]) {
			whole++
		}
	}
	if whole > 8 {
		t.Errorf("%d cuts are not noticed", whole)
	}
	for at := 0; at < len(text)-100; at += 1 + at%797 {
		flipped := bytes.Clone(text)
		flipped[at] ^= 1 << (at % 8)
		if isTorn(t, flipped) {
			t.Errorf("bit %d of byte %d is flipped", at%8, at)
		}
	}
}

func FuzzTorn(f *testing.F) {
	text := written(f)
	f.Add(text[:1000])
	f.Add(text[len(text)-1000:])
	f.Fuzz(func(t *testing.T, text []byte) { isTorn(t, text) })
}
