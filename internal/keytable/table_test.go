package keytable

import (
	"hash/maphash"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// checked is a table beside a map that says what must be in it.
type checked struct {
	t     *testing.T
	seed  maphash.Seed
	table *Table[int64]
	want  map[string]int64
	slots map[string]Slot
}

func newChecked(t *testing.T) *checked {
	seed := maphash.MakeSeed()
	return &checked{t, seed, newTable[int64](seed), map[string]int64{}, map[string]Slot{}}
}

func newTable[V any](seed maphash.Seed) *Table[V] {
	t := new(Table[V])
	t.Init(seed)
	return t
}

func (c *checked) add(key string, value int64) {
	c.t.Helper()
	s, v := c.table.Add(maphash.String(c.seed, key), key)
	if v == nil || v.Value != 0 {
		c.t.Fatalf("added %q with %v", key, v)
	}
	v.Value, c.want[key], c.slots[key] = value, value, s
	v.Unlock()
}

func (c *checked) remove(key string) {
	e := c.table.At(c.slots[key])
	e.Lock()
	c.table.Remove(c.slots[key])
	e.Unlock()
	delete(c.want, key)
	delete(c.slots, key)
}

func (c *checked) check() {
	c.t.Helper()
	if c.table.Len() != len(c.want) {
		c.t.Fatalf("%d keys, want %d", c.table.Len(), len(c.want))
	}
	seen := 0
	for s, v := range c.table.All() {
		if key := c.table.Key(s); c.want[key] != v.Value || c.slots[key] != s {
			c.t.Fatalf("%q at %d has %d, want %d at %d", key, s, v.Value, c.want[key], c.slots[key])
		}
		seen++
	}
	if seen != len(c.want) {
		c.t.Fatalf("%d of %d keys are listed", seen, len(c.want))
	}
	for key, want := range c.want {
		hash := maphash.String(c.seed, key)
		for name, find := range map[string]func() (Slot, *Entry[int64]){
			"key": func() (Slot, *Entry[int64]) { return c.table.Lookup(hash, key) },
			"key, with the lock": func() (Slot, *Entry[int64]) {
				e := c.table.Claim(c.table.Guess(hash), hash, key)
				if e != nil {
					e.Unlock()
				}
				return c.slots[key], e
			},
			"hash": func() (Slot, *Entry[int64]) { return c.table.LookupHash(hash) },
		} {
			if s, v := find(); v == nil || v.Value != want || s != c.slots[key] || c.table.At(s) != v {
				c.t.Fatalf("%q by its %s: %v at %d", key, name, v, s)
			}
		}
	}
}

func TestTableHoldsWhatAMapHolds(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	c := newChecked(t)
	for round := range 40 {
		for range 500 {
			key := strings.Repeat("k", random.IntN(300)) + strconv.Itoa(random.IntN(2000))
			if _, there := c.want[key]; there {
				c.remove(key)
			} else {
				c.add(key, random.Int64())
			}
		}
		c.check()
		if round%10 == 9 { // and almost empty again
			for key := range c.want {
				if len(c.want) > 5 {
					c.remove(key)
				}
			}
			c.check()
		}
	}
}

func TestOddKeys(t *testing.T) {
	c := newChecked(t)
	for i, key := range []string{"", "\x00", strings.Repeat("x", MaxLength), strings.Repeat("x", MaxLength-1), "é"} {
		c.add(key, int64(i+1))
	}
	c.check()
	for _, key := range []string{"x", "\x00\x00"} {
		hash := maphash.String(c.seed, key)
		if v := c.table.Claim(c.table.Guess(hash), hash, key); v != nil {
			t.Errorf("%q is there", key)
		}
	}
	if _, v := c.table.Add(1, strings.Repeat("x", MaxLength+1)); v != nil {
		t.Error("a key that is too long was added")
	}
	c.remove("")
	c.check()
	if c.table.At(c.table.Slots()) != nil || c.table.At(0) != nil {
		t.Error("there is a value where no key is")
	}
	empty := newTable[int64](c.seed)
	if v := empty.Guess(1); v != nil {
		t.Error("found in an empty table")
	}
	if _, v := empty.LookupHash(1); v != nil {
		t.Error("found in an empty table")
	}
}

// Who replaces keys for ever takes no more memory for it.
func TestReplacedKeysTakeBoundedMemory(t *testing.T) {
	seed := maphash.MakeSeed()
	table := newTable[[4]int64](seed)
	const held, name, end = 2000, "a-key-with-a-long-name-", len("name-123456")
	for i := range 100_000 {
		key := name + strconv.Itoa(i)
		_, e := table.Add(maphash.String(seed, key), key)
		e.Unlock()
		if i >= held {
			old := name + strconv.Itoa(i-held)
			s, e := table.Lookup(maphash.String(seed, old), old)
			e.Lock()
			table.Remove(s)
			e.Unlock()
		}
	}
	groups, blocks := len(table.view.Load().index), len(table.texts[0].all())+len(table.texts[1].all())
	if table.Len() != held || table.Slots() > held+1 || groups > 2*held/groupSize || blocks*blockSize > 3*held*end {
		t.Errorf("%d keys in %d slots, %d groups of cells, %d blocks of text", table.Len(), table.Slots(), groups, blocks)
	}
}

func TestMemoryOfAKey(t *testing.T) {
	seed := maphash.MakeSeed()
	for _, c := range []struct {
		keys   int
		prefix string
	}{
		{10_000, ""},
		{10_000, "user-"},
		{25_000, "user-"},
		{10_000, "user-with-a-long-name-"},
	} {
		before := heap()
		table := newTable[[4]int64](seed)
		length, inEntries := 0, 0
		for i := range c.keys {
			key := c.prefix + strconv.Itoa(i)
			length += len(key)
			inEntries += min(len(key), headSize)
			_, e := table.Add(maphash.String(seed, key), key)
			e.Unlock()
		}
		got := float64(heap()-before-uint64(length)) / float64(c.keys)
		runtime.KeepAlive(table)
		// The entry, the index, what the allocator adds and what is left of blocks.
		if most := 64 - float64(inEntries)/float64(c.keys) + 5 + 1.5; got > most {
			t.Errorf("%d keys %s…: %.1f bytes a key beside its text, want at most %.1f", c.keys, c.prefix, got, most)
		}
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
