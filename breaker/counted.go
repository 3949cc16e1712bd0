package breaker

import (
	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/internal/window"
)

// counted are the calls that rates are computed of: those of a time, or the last ones. One of the two is set.
type counted struct {
	window *window.Window
	last   *window.Last
}

func newCounted(rules Config) counted {
	if rules.LastCalls > 0 {
		return counted{last: window.NewLast(rules.LastCalls)}
	}
	return counted{window: window.New(rules.Window)}
}

func (c counted) add(now gabion.Instant, failed, slow bool) {
	if c.last != nil {
		c.last.Add(failed, slow)
		return
	}
	c.window.Add(now, failed, slow)
}

func (c counted) counts(now gabion.Instant) window.Counts {
	if c.last != nil {
		return c.last.Counts()
	}
	return c.window.Counts(now)
}

// resized are the same calls under other rules, as far as these can know them: times cannot be made of the last calls, nor
// these of times.
func (c counted) resized(now gabion.Instant, rules Config) counted {
	switch {
	case c.last != nil && rules.LastCalls > 0:
		return counted{last: c.last.Resized(rules.LastCalls)}
	case c.window != nil && rules.LastCalls == 0:
		return counted{window: c.window.Resized(now, rules.Window)}
	}
	return newCounted(rules)
}
