package payload

import (
	"errors"
	"testing"
)

func TestCheckTellsWhatIsWrong(t *testing.T) {
	good := Make("a", 1000)
	for _, c := range []struct {
		name string
		body []byte
		want error
	}{
		{"its own", good, nil},
		{"cut", good[:999], ErrTruncated},
		{"empty", nil, ErrTruncated},
		{"another's", Make("b", 1000), ErrForeign},
		{"with more", append(Make("a", 1000), 0), ErrForeign},
		{"one byte", append(Make("a", 999), good[999]+1), ErrForeign},
	} {
		if got := Check("a", 1000, c.body); !errors.Is(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
