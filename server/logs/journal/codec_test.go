package journal

import (
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/gabion-io/gabion/server/logs/entry"
	"github.com/gabion-io/gabion/server/logs/internal/lines"
	"github.com/gabion-io/gabion/server/logs/internal/packed"
)

// strange are entries that a service would hardly write.
func strange() []entry.Entry {
	return []entry.Entry{
		{},
		{Time: math.MaxInt64, Level: 255, Trace: "ABCD", Span: "abc"},
		{Service: "\xff\x00", Message: recordMagic, Attrs: []entry.Attr{{}, {Name: "a"}, {Value: "b"}}},
		{Message: strings.Repeat("long ", 50_000)},
	}
}

func TestRoundTrip(t *testing.T) {
	for what, want := range map[string][]entry.Entry{"lines": together(lines.Generate(1, 5000)), "strange": together(strange()), "one": lines.Generate(2, 1)} {
		for range 2 { // the second time with the memory of the first
			record, head := encodeRecord(packed.Pack(want, nil))
			got, err := decodePayload(head.codec, head.count, record[recordHeadSize:])
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: read back otherwise, %v", what, err)
			}
		}
	}
}

func TestCompressedWhenItHelps(t *testing.T) {
	record, head := encodeRecord(packed.Pack(lines.Generate(1, 1000), nil))
	if head.codec != compressed || len(record) > 90*1000 {
		t.Errorf("codec %d, %d bytes for 1000 lines", head.codec, len(record))
	}
	t.Logf("%.1f bytes a line", float64(len(record))/1000)
	random := make([]byte, 5000)
	source := rand.NewChaCha8([32]byte{1})
	if _, err := source.Read(random); err != nil {
		t.Fatal(err)
	}
	if _, head := encodeRecord(packed.Pack([]entry.Entry{{Message: string(random)}}, nil)); head.codec != plain {
		t.Errorf("codec %d for what cannot be compressed", head.codec)
	}
}

// What no record holds, or asks for more memory than a batch may take, is refused before it is taken.
func TestDecodeBounds(t *testing.T) {
	for what, tc := range map[string]struct {
		codec  byte
		stored []byte
	}{
		"codec":             {9, []byte{0}},
		"compressed length": {compressed, []byte{0xff, 0xff, 0xff, 0xff, 0xff}},
		"not compressed":    {compressed, []byte{8, 0xff}},
		"left over":         {plain, []byte{0, 0}},
	} {
		if got, err := decodePayload(tc.codec, 0, tc.stored); err == nil {
			t.Errorf("%s: %d entries", what, len(got))
		}
	}
}

func FuzzPayload(f *testing.F) {
	for _, entries := range [][]entry.Entry{strange()[:3], lines.Generate(1, 3)} {
		record, head := encodeRecord(packed.Pack(entries, nil))
		f.Add(head.codec, head.count, record[recordHeadSize:])
	}
	f.Fuzz(func(t *testing.T, codec byte, count int, stored []byte) {
		entries, err := decodePayload(codec, count, stored)
		if err != nil {
			return
		}
		record, head := encodeRecord(packed.Pack(entries, nil))
		again, err := decodePayload(head.codec, head.count, record[recordHeadSize:])
		if err != nil || len(again) != count {
			t.Fatalf("%d lines again, of %d: %v", len(again), count, err)
		}
	})
}
