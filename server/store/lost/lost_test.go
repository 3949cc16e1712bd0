package lost

import (
	"os"
	"path/filepath"
	"testing"
)

func all(int) bool { return true }

func same(a, b int) bool { return a == b }

func open(t *testing.T, path string, keep func(int) bool) *List[int] {
	t.Helper()
	l, err := Open(path, keep)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestTheLastOnesAreRemembered(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lost.json")
	l := open(t, path, all)
	for i := range Max + 10 {
		for range 2 {
			if err := l.Add(i, same); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, l := range []*List[int]{l, open(t, path, all)} {
		if got := l.All(); len(got) != Max || got[0] != 10 || got[Max-1] != Max+9 {
			t.Errorf("%v", got)
		}
	}
	if got := open(t, path, func(i int) bool { return i >= Max }).All(); len(got) != 10 {
		t.Errorf("%v", got)
	}
}

func TestAFileThatCannotBeUsed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lost.json")
	if err := os.WriteFile(path, []byte("[1,"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := Open(path, all)
	if err == nil || len(l.All()) != 0 {
		t.Errorf("%v, %v", l.All(), err)
	}
	if err := l.Add(7, same); err != nil {
		t.Error(err)
	}
	if got := open(t, path, all).All(); len(got) != 1 {
		t.Errorf("%v", got)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(path, "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := l.Add(8, same); err == nil || len(l.All()) != 2 {
		t.Errorf("%v, %v", l.All(), err)
	}
}
