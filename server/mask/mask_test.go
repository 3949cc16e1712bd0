package mask_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/mask"
)

func TestKey(t *testing.T) {
	for _, test := range []struct{ value, want string }{
		{"", ""},
		{"10.1.2.3", "10.1.2.3"},
		{"2001:db8::1", "2001:db8::1"},
		{"test", "sha256:9f86d081884c"},
		{"fe80::1%secret", "sha256:e21c0e43f969"},
		{"1.2.3.4.5", "sha256:b8b9f26c0d51"},
	} {
		if got := mask.Key(test.value); got != test.want {
			t.Errorf("Key(%q) = %q, want %q", test.value, got, test.want)
		}
	}
}

func TestErrorHidesKeysWhereverTheyStand(t *testing.T) {
	refused := &gabion.Error{Policy: "ratelimit", Name: "per-user", Key: "s3cr\"et", Reason: errors.New("limited")}
	other := &gabion.Error{Policy: "ratelimit", Key: "t0ken", Reason: errors.New("no"), Cause: errors.New("for me-myself")}
	err := fmt.Errorf("route product: %w", errors.Join(refused, other))
	got := mask.Error(err, "me-myself")
	for _, secret := range []string{"s3cr", "t0ken", "me-myself"} {
		if strings.Contains(got, secret) {
			t.Errorf("%q shows %s", got, secret)
		}
	}
	if strings.Count(got, "sha256:") != 3 || !strings.Contains(got, "route product: ") {
		t.Errorf("the rest of the text is lost: %q", got)
	}
	if mask.Error(nil, "x") != "" {
		t.Error("no error has a text")
	}
}
