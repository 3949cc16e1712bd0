package gabion_test

import (
	"testing"

	"github.com/gabion-io/gabion"
)

func TestShareIsWrittenAsItWasRead(t *testing.T) {
	for _, text := range []string{"0%", "0.1%", "2.5%", "7%", "14%", "28.9%", "29%", "33.3333%", "57%", "58%", "99.99%", "100%", "110%"} {
		var s gabion.Share
		if err := s.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if got := s.String(); got != text {
			t.Errorf("%s is written as %s", text, got)
		}
	}
}

func TestShareNeedsThePercentSign(t *testing.T) {
	for _, text := range []string{"", "%", "1", "0.5", "x%", "NaN%", "20 percent", "1%%"} {
		if err := new(gabion.Share).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is read as a share", text)
		}
	}
}
