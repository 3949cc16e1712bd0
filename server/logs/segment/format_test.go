package segment

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gabion-io/gabion/server/logs/entry"
)

func FuzzText(f *testing.F) {
	for _, s := range pieces {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		written := text(s)
		if !utf8.ValidString(written) {
			t.Errorf("%q is written as %q, which is not UTF-8", s, written)
		}
		if back := readText(written); back != s {
			t.Errorf("%q is read as %q", s, back)
		}
		readText(s) // must not panic
	})
}

func FuzzAttrs(f *testing.F) {
	for i, s := range pieces {
		f.Add(s, pieces[(i+1)%len(pieces)])
	}
	f.Add(`{"a":"\u0041\ud83d\ude00\n"}`, "")
	f.Fuzz(func(t *testing.T, name, value string) {
		attrs := []entry.Attr{{Name: name, Value: value}, {Name: value, Value: name}}
		var q quoted
		written := q.appendAttrs(nil, attrs)
		if again := q.appendAttrs(nil, attrs); !bytes.Equal(again, written) {
			t.Errorf("%q is written as %s, and then as %s", attrs, written, again)
		}
		if !json.Valid(written) || !utf8.Valid(written) {
			t.Errorf("%s is no JSON", written)
		}
		if back, ok := readAttrs(nil, string(written)); !ok || !slices.Equal(back, attrs) {
			t.Errorf("%q is read as %q", attrs, back)
		}
		var want map[string]string
		if back, ok := readAttrs(nil, name); ok && name != "" && json.Unmarshal([]byte(name), &want) != nil {
			t.Errorf("%q is no JSON and read as %q", name, back)
		}
	})
}

// A text is simple when none of its bytes is special, wherever it stands and however many there are.
func TestSimple(t *testing.T) {
	for n := range 26 {
		for at := range n {
			for c := range 256 {
				text := []byte(strings.Repeat("x~ #", 8)[:n])
				text[at] = byte(c)
				want := c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\'
				if simple(string(text)) != want {
					t.Fatalf("%q is simple: %v", text, !want)
				}
			}
		}
	}
	if !simple("") {
		t.Error("no text is not simple")
	}
}

// Names are written as they are, also at a place where there was another one.
func TestNames(t *testing.T) {
	var q quoted
	for _, names := range [][]string{{"a", "b"}, {"b", "a"}, {"aa", "\""}, {"", "b"}, {"", ""}, {"a", "ü"}, strings.Split("a,b,c,d,e,f,g,h,i,j", ","), {"b"}} {
		var attrs []entry.Attr
		for _, name := range names {
			attrs = append(attrs, entry.Attr{Name: name, Value: "v"})
		}
		if back, ok := readAttrs(nil, string(q.appendAttrs(nil, attrs))); !ok || !slices.Equal(back, attrs) {
			t.Errorf("%q is read as %q", attrs, back)
		}
	}
}

func FuzzWords(f *testing.F) {
	for _, s := range pieces {
		f.Add(s)
	}
	f.Add("Order-4711 was NOT found")
	for _, n := range []int{7, 8, 9, 63, 64, 65, 72} {
		f.Add(strings.Repeat("A", n) + "-" + strings.Repeat("z", n))
	}
	f.Fuzz(func(t *testing.T, s string) {
		var want, got []uint64
		for w := range entry.Words(s) {
			want = append(want, slowHash(w))
		}
		eachWord(s, func(h uint64) { got = append(got, h) })
		if !slices.Equal(got, want) {
			t.Errorf("%q has other words", s)
		}
		var set set
		set.reset()
		set.addWords(append([]byte(s), make([]byte, slack)...), len(s))
		slices.Sort(want)
		if got = set.hashes(); !slices.Equal(got, slices.Compact(want)) {
			t.Errorf("%q has %d words in a set, want %d", s, len(got), len(want))
		}
	})
}

// hashes are those in the set, the least first.
func (s *set) hashes() []uint64 {
	s.flush()
	var found []uint64
	for _, h := range s.table {
		if h != 0 {
			found = append(found, h)
		}
	}
	slices.Sort(found)
	return found
}

// The words of texts of all lengths around those that are looked at together are all found, wherever one begins and ends.
func TestAddWords(t *testing.T) {
	r := newRandom(5)
	var set set
	for n := range 200 {
		for range 10 {
			text := make([]byte, n)
			for i := range text {
				text[i] = "aZ09\xff\x80-_ /@[`{"[r.IntN(14)*r.IntN(2)]
			}
			set.reset()
			set.addWords([]byte(string(text)+"Aa0\xffAa0Z"), n)
			var want []uint64
			for w := range entry.Words(string(text)) {
				want = append(want, slowHash(w))
			}
			slices.Sort(want)
			if !slices.Equal(set.hashes(), slices.Compact(want)) {
				t.Fatalf("%q has %d words in a set, want %d", text, len(set.hashes()), len(want))
			}
		}
	}
}

// slowHash is the hash of a word as the format has it, byte by byte.
func slowHash(word string) uint64 {
	h := uint64(hashOffset)
	for eight := range slices.Chunk([]byte(word), 8) {
		v := uint64(0)
		for i, c := range eight {
			v |= uint64(c) << (8 * i)
		}
		h = step(h, v)
	}
	return mix(h)
}

// Every byte is folded and belongs to a word or not, wherever it stands among eight.
func TestClassify(t *testing.T) {
	for c := range 256 {
		for at := range 8 {
			for _, other := range []uint64{0, ones * 0xff, ones * 'Z', ones * '@'} {
				mask := uint64(0xff) << (8 * at)
				folded, inWord := classify(other&^mask | uint64(c)<<(8*at))
				lower := byte(c)
				if 'A' <= lower && lower <= 'Z' {
					lower += 'a' - 'A'
				}
				if byte(folded>>(8*at)) != lower || (inWord&mask != 0) != entry.WordByte(byte(c)) || inWord&(0x7f*ones) != 0 {
					t.Fatalf("byte %#x at %d: %#x, %#x", c, at, folded, inWord)
				}
			}
		}
	}
}

func TestReadAttrsRefuses(t *testing.T) {
	for _, s := range []string{"{", "{}", "[]", `{"a"}`, `{"a":1}`, `{"a":"b"`, `{"a":"b"}x`, `{"a":"b",}`, `{"a":"\x"}`, `{"a":"\u12"}`, `{"a":"\ud800"}`, `{"a":"\`, `{"a":"b" }`, "x"} {
		if attrs, ok := readAttrs(nil, s); ok {
			t.Errorf("%s is read as %q", s, attrs)
		}
	}
}

func TestBloom(t *testing.T) {
	r := newRandom(1)
	for _, n := range []int{0, 1, 100, 30_000} {
		var s set
		s.reset()
		hashes := make([]uint64, n)
		for i := range hashes {
			hashes[i] = r.Uint64()
			s.insert(hashes[i])
			s.insert(hashes[i])
		}
		b := s.bloom()
		for _, h := range hashes {
			if !b.has(h) {
				t.Fatalf("%d of %d is not found", h, n)
			}
		}
		wrong := 0
		for range 10_000 {
			wrong += btoi(b.has(r.Uint64()))
		}
		if wrong > 200 {
			t.Errorf("of %d: %d of 10,000 absent ones are found", n, wrong)
		}
	}
	var full set
	full.reset()
	for range maxDistinct + 10 {
		full.insert(r.Uint64())
	}
	if b := full.bloom(); b != nil || !b.has(1) {
		t.Error("a full set does not say that it knows nothing")
	}
}

func FuzzSidecar(f *testing.F) {
	h := &head{size: 1000, tail: span{off: 900, size: 100, sum: 7}, groups: []group{{rows: 9, low: "a", high: "b", minT: -1, maxT: 1, levels: 3}}}
	f.Add(h.append(nil), int64(100))
	f.Add([]byte{}, int64(0))
	f.Fuzz(func(t *testing.T, b []byte, size int64) {
		size = max(size, 0)
		h, err := readHead(b, size)
		if err != nil {
			return
		}
		again, err := readHead(h.append(nil), size)
		if err != nil || !reflect.DeepEqual(again, h) {
			t.Errorf("%+v is read again as %+v, %v", h, again, err)
		}
		for _, g := range h.groups {
			if g.words.off+g.words.size > size || g.trace.off+g.trace.size > size {
				t.Errorf("%+v is outside of %d bytes", g, size)
			}
		}
	})
}
