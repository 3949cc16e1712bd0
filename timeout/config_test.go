package timeout

import (
	"testing"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/internal/defaulttest"
)

func TestDefaultsAreAsDocumented(t *testing.T) { defaulttest.Check(t, Config{}.withDefaults()) }

func TestValidate(t *testing.T) {
	for _, good := range []Config{
		{}, {Total: 1, Attempt: 1}, {Total: gabion.Off, Attempt: gabion.Off}, {Total: time.Second, Attempt: time.Minute},
	} {
		if err := good.Validate(); err != nil {
			t.Errorf("%+v: %v", good, err)
		}
	}
	bad := Config{Total: -1, Attempt: -time.Second}
	err := bad.Validate()
	if want := "total is -1ns, must be positive or off\nattempt is -1s, must be positive or off"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if made, err := New(bad); made != nil || err == nil {
		t.Errorf("New made %v, %v", made, err)
	}
}
