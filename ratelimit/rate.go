package ratelimit

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Rate is a number of calls in a time. Its text form is "100/s", "60/m", "5/10s".
type Rate struct {
	Count int
	Per   time.Duration
}

// Quota is an amount of time of a service in a time. Its text form is "2s/10s".
type Quota struct {
	Time time.Duration
	Per  time.Duration
}

// UnmarshalText reads "100/s".
func (r *Rate) UnmarshalText(text []byte) error {
	count, per, ok := split(string(text))
	n, err := strconv.Atoi(count)
	if !ok || err != nil || n <= 0 {
		return fmt.Errorf("%q is not a rate: write a positive number and a time, such as 100/s, 60/m or 5/10s", text)
	}
	*r = Rate{n, per}
	return nil
}

// MarshalText writes the rate as "100/s".
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// String writes the rate as "100/s".
func (r Rate) String() string { return strconv.Itoa(r.Count) + "/" + unit(r.Per) }

// UnmarshalText reads "2s/10s".
func (q *Quota) UnmarshalText(text []byte) error {
	amount, per, ok := split(string(text))
	d, err := time.ParseDuration(amount)
	if !ok || err != nil || d <= 0 {
		return fmt.Errorf("%q is not a quota of time: write a time in a time, such as 2s/10s", text)
	}
	*q = Quota{d, per}
	return nil
}

// MarshalText writes the quota as "2s/10s".
func (q Quota) MarshalText() ([]byte, error) { return []byte(q.String()), nil }

// String writes the quota as "2s/10s".
func (q Quota) String() string { return q.Time.String() + "/" + q.Per.String() }

// split cuts "A/TIME", where TIME may lack its number ("s" is "1s").
func split(text string) (amount string, per time.Duration, ok bool) {
	amount, rest, ok := strings.Cut(strings.TrimSpace(text), "/")
	if !ok {
		return "", 0, false
	}
	rest = strings.TrimSpace(rest)
	if rest != "" && (rest[0] < '0' || rest[0] > '9') {
		rest = "1" + rest
	}
	per, err := time.ParseDuration(rest)
	return strings.TrimSpace(amount), per, err == nil && per > 0
}

func unit(per time.Duration) string {
	switch per {
	case time.Second:
		return "s"
	case time.Minute:
		return "m"
	case time.Hour:
		return "h"
	}
	return per.String()
}
