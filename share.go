package gabion

import (
	"fmt"
	"strconv"
	"strings"
)

// Share is a part of a whole: 0.2 is 20 %. Its text form is "20%"; a plain number is refused in a
// configuration, because nobody can tell whether 1 means all or one percent.
type Share float64

// UnmarshalText reads "20%" or "2.5%".
func (s *Share) UnmarshalText(text []byte) error {
	num, ok := strings.CutSuffix(strings.TrimSpace(string(text)), "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(num), 64)
	if !ok || err != nil || v != v {
		return fmt.Errorf("%q is not a share: write a percentage such as 20%%", text)
	}
	*s = Share(v / 100)
	return nil
}

// MarshalText writes the share as a percentage.
func (s Share) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String writes the share as a percentage, such as "20%", in at most 14 digits. That hides what binary fractions add:
// 7% is not 7.000000000000001%.
func (s Share) String() string {
	short := strconv.FormatFloat(float64(s)*100, 'g', 14, 64)
	percent, err := strconv.ParseFloat(short, 64)
	if err != nil {
		percent = float64(s) * 100
	}
	return strconv.FormatFloat(percent, 'f', -1, 64) + "%"
}
