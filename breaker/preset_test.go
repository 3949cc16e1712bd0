package breaker

import "testing"

func TestPresetsArePossible(t *testing.T) {
	for name, cfg := range map[string]Config{"HTTP": ForHTTP(), "database": ForDatabase()} {
		if err := cfg.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
