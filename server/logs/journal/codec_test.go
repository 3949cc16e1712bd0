package journal

import (
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/gabion-io/gabion/server/logs/entry"
	"github.com/gabion-io/gabion/server/logs/internal/lines"
)

// strange are entries that a service would hardly write.
func strange() []entry.Entry {
	return []entry.Entry{
		{},
		{Time: math.MaxInt64, Level: 255, Trace: "ABCD", Span: "abc"},
		{Time: math.MinInt64, Trace: "0123456789abcdef", Span: strings.Repeat("0f", 40)},
		{Service: "\xff\x00", Message: recordMagic, Attrs: []entry.Attr{{}, {Name: "a"}, {Value: "b"}}},
		{Service: "a", Instance: "a", Handler: "a", Trace: "é", Attrs: []entry.Attr{{Name: "a", Value: "a"}}},
		{Message: strings.Repeat("long ", 50_000)},
	}
}

func TestRoundTrip(t *testing.T) {
	for what, want := range map[string][]entry.Entry{"lines": lines.Generate(1, 5000), "strange": strange(), "one": lines.Generate(2, 1)} {
		for range 2 { // the second time with the memory of the first
			record, head := encodeRecord(want)
			got, err := decodePayload(head.codec, head.count, record[recordHeadSize:])
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: read back otherwise, %v", what, err)
			}
		}
	}
}

func TestCompressedWhenItHelps(t *testing.T) {
	record, head := encodeRecord(lines.Generate(1, 1000))
	if head.codec != compressed || len(record) > 90*1000 {
		t.Errorf("codec %d, %d bytes for 1000 lines", head.codec, len(record))
	}
	t.Logf("%.1f bytes a line", float64(len(record))/1000)
	random := make([]byte, 5000)
	source := rand.NewChaCha8([32]byte{1})
	if _, err := source.Read(random); err != nil {
		t.Fatal(err)
	}
	if _, head := encodeRecord([]entry.Entry{{Message: string(random)}}); head.codec != plain {
		t.Errorf("codec %d for what cannot be compressed", head.codec)
	}
}

func FuzzPayload(f *testing.F) {
	for _, entries := range [][]entry.Entry{strange()[:5], lines.Generate(1, 3)} {
		record, head := encodeRecord(entries)
		f.Add(head.codec, head.count, record[recordHeadSize:])
		e := encoder{names: map[string]uint64{}}
		e.payload(entries)
		f.Add(plain, len(entries), e.raw)
	}
	f.Fuzz(func(t *testing.T, codec byte, count int, stored []byte) {
		entries, err := decodePayload(codec, count, stored)
		if err != nil {
			return
		}
		size := 0
		for i := range entries {
			size += entries[i].Size()
		}
		if len(entries) != count || size > MaxBatch {
			t.Fatalf("%d entries of %d, %d bytes", len(entries), count, size)
		}
		record, head := encodeRecord(entries)
		again, err := decodePayload(head.codec, head.count, record[recordHeadSize:])
		if err != nil || !reflect.DeepEqual(again, entries) {
			t.Fatalf("not the same again: %v", err)
		}
	})
}

// TestDecodeBounds gives it what asks for more memory than a batch may take.
func TestDecodeBounds(t *testing.T) {
	huge := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}
	// One long name, and then lines that name it again and again: small in the file, large by Size.
	e := encoder{names: map[string]uint64{}}
	bomb := make([]entry.Entry, 40_000)
	for i := range bomb {
		bomb[i].Service = "a service with a name that is rather long for what it does, so that many of them are more than allowed" + strings.Repeat("!", 300)
	}
	e.payload(bomb)
	for what, tc := range map[string]struct {
		codec  byte
		count  int
		stored []byte
	}{
		"attributes":        {plain, 0, huge},
		"lines":             {plain, math.MaxInt, []byte{0}},
		"negative":          {plain, -1, []byte{0}},
		"empty":             {plain, 0, nil},
		"codec":             {9, 0, []byte{0}},
		"compressed length": {compressed, 0, huge[:5]},
		"left over":         {plain, 0, []byte{0, 0}},
		"repeated names":    {plain, len(bomb), e.raw},
		"long text":         {plain, 1, append([]byte{0, 0, 0, 0}, huge...)},
		"no such name":      {plain, 1, []byte{0, 0, 0, 5, 5, 5, 0, 0, 0, 0}},
	} {
		if got, err := decodePayload(tc.codec, tc.count, tc.stored); err == nil {
			t.Errorf("%s: %d entries", what, len(got))
		}
	}
}
