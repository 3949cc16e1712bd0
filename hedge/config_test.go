package hedge

import (
	"testing"

	"github.com/gabion-io/gabion/internal/defaulttest"
)

func TestDefaults(t *testing.T) { defaulttest.Check(t, Config{}.withDefaults()) }
