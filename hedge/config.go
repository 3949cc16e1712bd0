package hedge

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gabion-io/gabion"
)

// Config is what a hedge is made of. The zero value of every field means its default.
type Config struct {
	// Name names what is called, in errors and events.
	Name string `yaml:"-" json:"-"`
	// After is when a call is made again: after a time, or a quantile of what calls took lately.
	After After `yaml:"after" json:"after" default:"p95"`
	// Max is how many calls are made beside the first, at most 4. Each comes when After has passed once more.
	Max int `yaml:"max" json:"max" default:"1"`
	// Budget bounds hedges to this share of calls, plus a reserve of 10. It can be off.
	Budget gabion.Share `yaml:"budget" json:"budget" default:"5%" off:"true"`
	// Observer is told of hedges.
	Observer gabion.Observer `yaml:"-" json:"-"`
}

// After is a time, or a quantile: one of the two is set. Its text is "50ms", or "p95".
type After struct {
	Time time.Duration
	// Quantile is between 0 and 1.
	Quantile float64
}

var defaultAfter = After{Quantile: 0.95}

// UnmarshalText reads "50ms" or "p95".
func (a *After) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	if number, ok := strings.CutPrefix(s, "p"); ok {
		percent, err := strconv.ParseFloat(number, 64)
		if err == nil && percent > 0 && percent < 100 {
			*a = After{Quantile: percent / 100}
			return nil
		}
	} else if d, err := time.ParseDuration(s); err == nil {
		*a = After{Time: d}
		return nil
	}
	return fmt.Errorf("%q is neither a time such as 50ms nor a quantile such as p95", text)
}

// MarshalText writes what UnmarshalText reads.
func (a After) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// String is the text: "50ms" or "p95".
func (a After) String() string {
	if a.Time != 0 || a.Quantile == 0 {
		return a.Time.String()
	}
	return "p" + strconv.FormatFloat(a.Quantile*100, 'g', 6, 64)
}

func (c Config) withDefaults() Config {
	c.After = cmp.Or(c.After, defaultAfter)
	c.Max = cmp.Or(c.Max, 1)
	c.Budget = cmp.Or(c.Budget, 0.05)
	return c
}

// Validate returns all that is impossible in c, joined: each a *[gabion.FieldError]. Fields that are zero are
// not looked at, as they mean the default.
func (c Config) Validate() error {
	var problems []error
	refuse := func(field, format string, args ...any) {
		problems = append(problems, &gabion.FieldError{Field: field, Problem: fmt.Sprintf(format, args...)})
	}
	switch a := c.After; {
	case a.Time != 0 && a.Quantile != 0:
		refuse("after", "is both %v and a quantile, must be one of them", a.Time)
	case a.Time < 0:
		refuse("after", "is %v, must be positive", a.Time)
	case a.Quantile != 0 && !(a.Quantile > 0 && a.Quantile < 1): // written so that NaN is refused
		refuse("after", "is the quantile %v, must be between 0 and 1", a.Quantile)
	}
	if c.Max < 0 || c.Max > gabion.MaxBeside {
		refuse("max", "is %d, must be between 1 and %d", c.Max, gabion.MaxBeside)
	}
	if c.Budget != gabion.Off && !(c.Budget >= 0 && c.Budget <= 1) {
		refuse("budget", "is %v, must be above 0%% and at most 100%%, or off", c.Budget)
	}
	return errors.Join(problems...)
}
