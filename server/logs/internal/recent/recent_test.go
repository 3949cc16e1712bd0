package recent

import (
	"strconv"
	"strings"
	"testing"
)

// A slot has what was put there for the same name last, or another name.
func TestTable(t *testing.T) {
	var table Table[int]
	if s := table.At(""); s.Name != "" || s.Value != 0 {
		t.Fatalf("an empty table has %+v", *s)
	}
	found := 0
	for round := range 3 {
		for n := 1; n <= 100; n++ {
			name := strings.Repeat("/", n%20) + strconv.Itoa(n) + strings.Repeat("x", n%7)
			s := table.At(name)
			switch {
			case s.Name == name && s.Value != n:
				t.Fatalf("%q has %d", name, s.Value)
			case s.Name == name:
				found++
			default:
				*s = Slot[int]{Name: name, Value: n}
			}
		}
		if round == 0 && found > 0 {
			t.Fatalf("%d names were there before", found)
		}
	}
	if found < 50 {
		t.Errorf("only %d of 200 names are found again", found)
	}
	table.Clear()
	if s := table.At("/1x"); s.Name != "" || s.Value != 0 {
		t.Errorf("%+v is left", *s)
	}
}
