package inject

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/fault"
)

// Rule is a fault and the requests that it meets, as the admin API takes it.
type Rule struct {
	// Service is whose requests meet it. Required.
	Service string `json:"service"`
	// Kind is latency, error, blackhole or reset. Required.
	Kind string `json:"kind" enum:"latency,error,blackhole,reset"`
	// Latency is how long requests wait, Jitter by how much more at random, such as "200ms". For latency alone.
	Latency Duration `json:"latency,omitzero"`
	Jitter  Duration `json:"jitter,omitzero"`
	// Status is what is answered in place of the service. For error alone. Default: 503.
	Status int `json:"status,omitzero"`
	// Share is the part of the requests that meet it, such as "25%". Default: all.
	Share gabion.Share `json:"share,omitzero"`
	// First is how many requests meet it, and then no more. Default: all.
	First int `json:"first,omitzero"`
	// Key is whose requests meet it: an identity. Default: everybody's.
	Key string `json:"key,omitempty"`
	// For is how long it lasts, at most "1h". Default: "1m".
	For Duration `json:"for,omitzero"`
}

// Duration is a time with a unit, such as "200ms".
type Duration time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is no time such as 200ms or 1m", text)
	}
	*d = Duration(v)
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// StatusError is an answer in the place of the service's.
type StatusError int

// Error implements error.
func (s StatusError) Error() string { return fmt.Sprintf("answered with %d on purpose", int(s)) }

// fault is the rule as the kit takes it. The rest of what can be wrong, the kit says.
func (r Rule) fault() (fault.Rule, error) {
	rule := fault.Rule{
		Kind: fault.Kind(r.Kind), Latency: time.Duration(r.Latency), Jitter: time.Duration(r.Jitter),
		Share: r.Share, First: r.First, Key: r.Key, For: time.Duration(r.For),
	}
	switch {
	case r.Kind == "blackhole":
		rule.Kind = fault.Hang
	case rule.Kind == fault.Hang:
		return rule, errors.New(`kind is "hang", must be latency, error, blackhole or reset`)
	case rule.Kind != fault.Error && r.Status != 0:
		return rule, errors.New("status goes with the kind error, not with " + strings.ToValidUTF8(r.Kind, "?"))
	case rule.Kind != fault.Error:
	case r.Status == 0:
		rule.Err = StatusError(http.StatusServiceUnavailable)
	case r.Status < 400 || r.Status > 599:
		return rule, fmt.Errorf("status is %d, must be from 400 to 599", r.Status)
	default:
		rule.Err = StatusError(r.Status)
	}
	return rule, nil
}
