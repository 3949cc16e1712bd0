package entry

import (
	"slices"
	"strings"
	"testing"
)

func TestWords(t *testing.T) {
	for _, tc := range []struct {
		text string
		want []string
	}{
		{"", nil},
		{" -- ", nil},
		{"Order-4711 was NOT found", []string{"order", "4711", "was", "not", "found"}},
		{"user_id=7", []string{"user", "id", "7"}},
		{"Größe \xff", []string{"größe", "\xff"}},
		{strings.Repeat("x", MaxWord+9) + " y", []string{strings.Repeat("x", MaxWord), "y"}},
	} {
		if got := slices.Collect(Words(tc.text)); !slices.Equal(got, tc.want) {
			t.Errorf("%q: %q, want %q", tc.text, got, tc.want)
		}
	}
	for range Words("one two") {
		break // must end without a panic
	}
}
