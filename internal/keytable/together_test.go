package keytable

import (
	"hash/maphash"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"
)

// While the owner adds and removes keys, so that the index grows, slots get other keys and texts are written anew, whoever
// finds a key finds what is its own. Once the owner has stopped, it finds all keys that are there.
func TestFindsWhileTheOwnerChangesKeys(t *testing.T) {
	const stay, come, readers, rounds = 50, 400, 3, 30
	seed := maphash.MakeSeed()
	table := newTable[int](seed)
	keys := make([]string, stay+come)
	for i := range keys {
		keys[i] = "key-" + strconv.Itoa(i)
		if i%2 == 1 {
			keys[i] += strings.Repeat("-long", 10)
		}
	}
	add := func(i int) {
		_, e := table.Add(maphash.String(seed, keys[i]), keys[i])
		e.Value = i
		e.Unlock()
	}
	for i := range stay {
		add(i)
	}

	var over atomic.Bool
	var wg sync.WaitGroup
	for r := range readers {
		wg.Go(func() {
			for n := r; !over.Load(); n++ {
				i := n * 7 % len(keys)
				hash := maphash.String(seed, keys[i])
				e := table.Claim(table.Guess(hash), hash, keys[i])
				if e == nil {
					continue
				}
				if e.Value != i {
					t.Errorf("%q has the value of %q", keys[i], keys[e.Value])
					over.Store(true)
				}
				e.Unlock()
			}
		})
	}
	for range rounds {
		for i := stay; i < len(keys); i++ {
			add(i)
		}
		for i := stay; i < len(keys); i++ {
			s, e := table.Lookup(maphash.String(seed, keys[i]), keys[i])
			e.Lock()
			table.Remove(s)
			e.Unlock()
		}
	}
	over.Store(true)
	wg.Wait()

	for i, key := range keys {
		hash := maphash.String(seed, key)
		e := table.Claim(table.Guess(hash), hash, key)
		if there := e != nil; there != (i < stay) {
			t.Errorf("%q is there: %v", key, there)
		}
		if e != nil {
			e.Unlock()
		}
	}
}

// Between a guess and its claim, the entry may get another key.
func TestClaimOfAWrongGuess(t *testing.T) {
	seed := maphash.MakeSeed()
	table := newTable[int](seed)
	alice, bob := maphash.String(seed, "alice"), maphash.String(seed, "bob")
	slot, e := table.Add(alice, "alice")
	guess := table.Guess(alice)
	if guess != e {
		t.Fatal("the only key is not guessed")
	}
	table.Remove(slot)
	e.Unlock()
	if again, _ := table.Add(bob, "bob"); again != slot {
		t.Fatalf("slot %d was not used again, but %d", slot, again)
	}
	e.Unlock()
	if table.Claim(guess, alice, "alice") != nil {
		t.Error("a key that was removed is found")
	}
	if table.Claim(guess, bob, "bob") != e || e.TryLock() {
		t.Error("the other key is not found, or not locked")
	}
	e.Unlock()
}

// An entry with a value of 32 bytes is one cache line, and lies on one.
func TestEntryIsACacheLine(t *testing.T) {
	table := newTable[[4]int64](maphash.MakeSeed())
	_, e := table.Add(1, "")
	e.Unlock()
	if size, at := unsafe.Sizeof(*e), uintptr(unsafe.Pointer(e)); size != 64 || at%64 != 0 {
		t.Errorf("%d bytes at %d", size, at)
	}
}
