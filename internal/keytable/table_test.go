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
	table Table[int64]
	want  map[string]int64
	slots map[string]Slot
}

func newChecked(t *testing.T) *checked {
	seed := maphash.MakeSeed()
	return &checked{t, seed, New[int64](seed), map[string]int64{}, map[string]Slot{}}
}

func (c *checked) add(key string, value int64) {
	c.t.Helper()
	s, v := c.table.Add(maphash.String(c.seed, key), key)
	if v == nil || *v != 0 {
		c.t.Fatalf("added %q with %v", key, v)
	}
	*v, c.want[key], c.slots[key] = value, value, s
}

func (c *checked) remove(key string) {
	c.table.Remove(c.slots[key])
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
		if key := c.table.Key(s); c.want[key] != *v || c.slots[key] != s {
			c.t.Fatalf("%q at %d has %d, want %d at %d", key, s, *v, c.want[key], c.slots[key])
		}
		seen++
	}
	if seen != len(c.want) {
		c.t.Fatalf("%d of %d keys are listed", seen, len(c.want))
	}
	for key, want := range c.want {
		hash := maphash.String(c.seed, key)
		for name, find := range map[string]func() (Slot, *int64){
			"key":  func() (Slot, *int64) { return c.table.Find(hash, key) },
			"hash": func() (Slot, *int64) { return c.table.FindHash(hash) },
		} {
			if s, v := find(); v == nil || *v != want || s != c.slots[key] || c.table.At(s) != v {
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
		if _, v := c.table.Find(maphash.String(c.seed, key), key); v != nil {
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
	empty := New[int64](c.seed)
	if _, v := empty.Find(1, ""); v != nil {
		t.Error("found in an empty table")
	}
	if _, v := empty.FindHash(1); v != nil {
		t.Error("found in an empty table")
	}
}

// Who replaces keys for ever takes no more memory for it.
func TestReplacedKeysTakeBoundedMemory(t *testing.T) {
	seed := maphash.MakeSeed()
	table := New[[4]int64](seed)
	const held = 2000
	for i := range 500_000 {
		key := "key-" + strconv.Itoa(i)
		table.Add(maphash.String(seed, key), key)
		if i >= held {
			old := "key-" + strconv.Itoa(i-held)
			s, _ := table.Find(maphash.String(seed, old), old)
			table.Remove(s)
		}
	}
	if table.Len() != held || table.Slots() > held+1 || len(table.index) > 4*held || len(table.texts.blocks)*blockSize > 3*held*len("key-123456") {
		t.Errorf("%d keys in %d slots, %d cells, %d blocks of text", table.Len(), table.Slots(), len(table.index), len(table.texts.blocks))
	}
}

func TestMemoryOfAKey(t *testing.T) {
	seed := maphash.MakeSeed()
	for _, n := range []int{1 << 14 * 3, 1<<14*3 + 1, 100_000} { // before and after the index grows
		before := heap()
		table := New[[4]int64](seed)
		length := 0
		for i := range n {
			key := "user-" + strconv.Itoa(i)
			length += len(key)
			table.Add(maphash.String(seed, key), key)
		}
		got := float64(heap()-before-uint64(length)) / float64(n)
		runtime.KeepAlive(&table)
		if got > 32+8+2+11+1 { // the value, where its text is, what the allocator adds, the index, what is left of blocks
			t.Errorf("%d keys: %.1f bytes a key beside its text", n, got)
		}
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
