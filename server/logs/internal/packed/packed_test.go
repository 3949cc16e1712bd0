package packed

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/gabion-io/gabion/server/logs/entry"
	"github.com/gabion-io/gabion/server/logs/internal/lines"
	"github.com/gabion-io/gabion/server/logs/internal/recent"
)

// strange are entries that a service would hardly write.
func strange() []entry.Entry {
	return []entry.Entry{
		{},
		{Time: math.MaxInt64, Level: 255, Trace: "ABCD", Span: "abc"},
		{Time: math.MinInt64, Trace: "0123456789abcdef", Span: strings.Repeat("0f", 40)},
		{Service: "\xff\x00", Message: "\x00", Attrs: []entry.Attr{{}, {Name: "a"}, {Value: "b"}}},
		{Service: "a", Instance: "a", Handler: "a", Trace: "é", Attrs: []entry.Attr{{Name: "a", Value: "a"}}},
		{Service: "a", Trace: "0123456789abcde", Span: "01234567é", Attrs: make([]entry.Attr, 300)},
		{Service: "\xff\x00", Trace: strings.Repeat("0a", idBytes), Span: "0A", Message: strings.Repeat("long ", 50_000)},
	}
}

// read gives all lines.
func read(l *Lines) []entry.Entry {
	var r Reader
	all := make([]entry.Entry, l.Len())
	for i := range all {
		r.Read(l, i, &all[i])
	}
	return all
}

// equal compares lines; no attributes and none are the same.
func equal(a, b []entry.Entry) bool {
	return slices.EqualFunc(a, b, func(a, b entry.Entry) bool {
		same := slices.Equal(a.Attrs, b.Attrs)
		a.Attrs, b.Attrs = nil, nil
		return same && reflect.DeepEqual(a, b)
	})
}

// grouped are lines as they are packed: those of a service together, in the order in which services come first.
func grouped(all []entry.Entry) []entry.Entry {
	first := map[string]int{}
	for i := range all {
		if _, ok := first[all[i].Service]; !ok {
			first[all[i].Service] = i
		}
	}
	sorted := slices.Clone(all)
	slices.SortStableFunc(sorted, func(a, b entry.Entry) int { return first[a.Service] - first[b.Service] })
	return sorted
}

// All lines are read as they were, both by their number and from the payload.
func TestRoundTrip(t *testing.T) {
	for what, all := range map[string][]entry.Entry{"none": nil, "one": lines.Generate(2, 1), "lines": lines.Generate(1, 5000), "strange": strange(), "names": named(20_000)} {
		want := grouped(all)
		for range 2 { // the second time with the memory of the first
			l := Pack(all, nil)
			unpacked, err := Unpack(l.Payload(), l.Len())
			if err != nil || !equal(unpacked, want) {
				t.Errorf("%s: unpacked otherwise, %v", what, err)
			}
			if !equal(read(l), want) {
				t.Errorf("%s: read otherwise", what)
			}
			size := 0
			for i := range want {
				size += want[i].Size()
				if l.Time(i) != want[i].Time || l.Level(i) != want[i].Level || l.Name(l.Service(i)) != want[i].Service || l.Marked(i) {
					t.Fatalf("%s: line %d is another one", what, i)
				}
			}
			if l.Len() != len(want) || l.Size() != size {
				t.Errorf("%s: %d lines of %d bytes, want %d of %d", what, l.Len(), l.Size(), len(want), size)
			}
		}
	}
}

// named are lines whose names are all different, so that there are many.
func named(n int) []entry.Entry {
	all := make([]entry.Entry, n)
	for i := range all {
		all[i].Handler = "handler " + strconv.Itoa(i)
	}
	return all
}

// Names of which nobody can tell apart by the fast hash are numbered all the same, and as fast as others.
func TestSameHash(t *testing.T) {
	var d dictionary
	const n = 20_000
	name := func(i int) string { return fmt.Sprintf("12345678%08x1234567812345678%08x12345678", i, i) }
	if recent.Hash(name(1)) != recent.Hash(name(2)) {
		t.Fatal("they have other hashes")
	}
	for range 2 { // the second time they are known
		for i := range n {
			if got, _ := d.add(name(i)); got != i {
				t.Fatalf("name %d has number %d", i, got)
			}
		}
	}
	if !d.wary {
		t.Error("it has not noticed")
	}
	if d.reset(); d.wary || len(d.names) > 0 {
		t.Error("it is not as new")
	}
}

// What prepare changes is packed, and the lines that it was given stay as they are.
func TestPrepare(t *testing.T) {
	all := []entry.Entry{{Message: "a"}, {Message: "b"}, {Message: "c", Service: "own"}}
	l := Pack(all, func(e *entry.Entry) bool {
		if e.Service == "" {
			e.Service = "other"
		}
		return e.Message == "b"
	})
	got := read(l)
	for i := range got {
		want := all[i]
		if want.Service == "" {
			want.Service = "other"
		}
		if !reflect.DeepEqual(got[i].Service, want.Service) || got[i].Message != want.Message || l.Marked(i) != (want.Message == "b") {
			t.Errorf("line %d is %+v, marked %v", i, got[i], l.Marked(i))
		}
	}
	if all[0].Service != "" {
		t.Errorf("the line itself was changed")
	}
}

// Nothing that is read is of the memory of what was packed, and what was read stays as it is.
func TestMemory(t *testing.T) {
	source := strings.Repeat("0123456789abcdef", 1<<10)
	r := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // reproducible on purpose
	piece := func(most int) string { at := r.IntN(1000); return source[at : at+r.IntN(most)] }
	all := make([]entry.Entry, 500)
	for i := range all {
		all[i] = entry.Entry{
			Service: piece(2), Instance: piece(3), Handler: piece(3), Trace: piece(33), Span: piece(17), Message: piece(40),
			Attrs: []entry.Attr{{Name: piece(3), Value: piece(9)}},
		}
	}
	l := Pack(all, nil)
	var reader Reader
	var kept []entry.Entry
	for i := range all {
		var e entry.Entry
		reader.Read(l, i, &e)
		kept = append(kept, e)
		for _, s := range []string{e.Service, e.Instance, e.Handler, e.Trace, e.Span, e.Message, e.Attrs[0].Name, e.Attrs[0].Value} {
			if within(s, source) {
				t.Fatalf("line %d shares memory with what was packed", i)
			}
		}
	}
	if !equal(kept, grouped(all)) {
		t.Error("what was read has changed")
	}
}

func within(s, source string) bool {
	at := uintptr(unsafe.Pointer(unsafe.StringData(s)))
	from := uintptr(unsafe.Pointer(unsafe.StringData(source)))
	return s != "" && at >= from && at < from+uintptr(len(source))
}

func TestHex(t *testing.T) {
	for n := range 1 << 16 { // two bytes at each place
		for place := range 7 {
			b := []byte("0123abcd")
			b[place], b[place+1] = byte(n>>8), byte(n)
			_, ok := appendHex(nil, string(b))
			if want := strings.Trim(string(b), "0123456789abcdef") == ""; ok != want {
				t.Fatalf("%q is hexadecimal: %v", b, ok)
			}
		}
	}
	for _, id := range []string{"", "00", "f0", "0123456789abcdef", "fedcba98765432100123456789abcdeffe"} {
		b, ok := appendHex(nil, id)
		if got := string(appendDigits(nil, b)); !ok || got != id || len(b) != len(id)/2 {
			t.Errorf("%q became %x and then %q", id, b, got)
		}
	}
}

// TestBounds gives it what asks for more memory than lines may take.
func TestBounds(t *testing.T) {
	huge := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}
	// One long name, and then lines that name it again and again: small in the file, large by Size.
	bomb := make([]entry.Entry, 40_000)
	for i := range bomb {
		bomb[i].Service = "a service with a name that is rather long for what it does, so that many of them are more than allowed" + strings.Repeat("!", 300)
	}
	for what, tc := range map[string]struct {
		count   int
		payload []byte
	}{
		"attributes":     {0, huge},
		"lines":          {math.MaxInt, []byte{0}},
		"negative":       {-1, []byte{0}},
		"empty":          {0, nil},
		"left over":      {0, []byte{0, 0}},
		"repeated names": {len(bomb), Pack(bomb, nil).Payload()},
		"long text":      {1, append([]byte{0, 0, 0, 0}, huge...)},
		"no such name":   {1, []byte{0, 0, 0, 5, 5, 5, 0, 0, 0, 0}},
	} {
		if got, err := Unpack(tc.payload, tc.count); err == nil {
			t.Errorf("%s: %d entries", what, len(got))
		}
	}
}

func FuzzUnpack(f *testing.F) {
	for _, entries := range [][]entry.Entry{strange()[:6], lines.Generate(1, 3)} {
		f.Add(len(entries), Pack(entries, nil).Payload())
	}
	f.Fuzz(func(t *testing.T, count int, payload []byte) {
		entries, err := Unpack(payload, count)
		if err != nil {
			return
		}
		l := Pack(entries, nil)
		if l.Len() != count || l.Size() > MaxSize {
			t.Fatalf("%d entries of %d, %d bytes", l.Len(), count, l.Size())
		}
		want := grouped(entries)
		again, err := Unpack(l.Payload(), count)
		if err != nil || !equal(again, want) || !equal(read(l), want) {
			t.Fatalf("not the same again: %v", err)
		}
	})
}

func BenchmarkPack(b *testing.B) {
	all := lines.Generate(1, 1000)
	b.ReportAllocs()
	for b.Loop() {
		Pack(all, nil)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/line")
}

func BenchmarkRead(b *testing.B) {
	l := Pack(lines.Generate(1, 1000), nil)
	var r Reader
	var e entry.Entry
	b.ReportAllocs()
	for b.Loop() {
		for i := range l.Len() {
			r.Read(l, i, &e)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/line")
}
