package logql

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// durationUnits are the units of a duration, with days, weeks and years, which Go does not know.
var durationUnits = map[string]time.Duration{
	"ns": time.Nanosecond, "us": time.Microsecond, "µs": time.Microsecond, "μs": time.Microsecond, "ms": time.Millisecond,
	"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour, "y": 365 * 24 * time.Hour,
}

var (
	errDuration = errors.New("no duration, such as 5m, 1h30m or 1.5s")
	errNumber   = errors.New("no number")
	errBytes    = errors.New("no size, such as 20KB or 1.5MiB")
)

// ParseDuration reads a duration: 5m, 1h30m, 1.5s, 2d, 1w, 1y, -5m.
func ParseDuration(s string) (time.Duration, error) {
	rest, negative := strings.CutPrefix(s, "-")
	if rest == "0" {
		return 0, nil
	}
	var sum float64
	var exact time.Duration
	for first := true; first || rest != ""; first = false {
		n := strings.IndexFunc(rest, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
		if n <= 0 {
			return 0, errDuration
		}
		end := n
		for end < len(rest) && rest[end] != '.' && !digit(rest[end]) {
			end++
		}
		unit, ok := durationUnits[rest[n:end]]
		if !ok {
			return 0, errDuration
		}
		if whole, err := strconv.ParseInt(rest[:n], 10, 64); err == nil && whole <= math.MaxInt64/int64(unit) {
			exact += time.Duration(whole) * unit
			sum += float64(whole) * float64(unit)
		} else {
			v, err := strconv.ParseFloat(rest[:n], 64)
			if err != nil || v*float64(unit) >= math.MaxInt64 {
				return 0, errDuration
			}
			exact += time.Duration(math.Round(v * float64(unit)))
			sum += v * float64(unit)
		}
		if sum >= math.MaxInt64 {
			return 0, errDuration
		}
		rest = rest[end:]
	}
	if negative {
		return -exact, nil
	}
	return exact, nil
}

// byteUnits are the units of a size, in lower case.
var byteUnits = map[string]float64{
	"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "pb": 1e15, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "p": 1e15,
	"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40, "pib": 1 << 50, "ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30, "ti": 1 << 40, "pi": 1 << 50,
}

// parseBytes reads a size: 512, 20KB, 1.5 MiB.
func parseBytes(s string) (float64, error) {
	n := strings.IndexFunc(s, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	if n < 0 {
		n = len(s)
	}
	factor, ok := byteUnits[strings.ToLower(strings.TrimSpace(s[n:]))]
	v, err := strconv.ParseFloat(s[:n], 64)
	if !ok || err != nil {
		return 0, errBytes
	}
	return v * factor, nil
}

// parseValue reads what a label filter compares with.
func parseValue(s string) (float64, Unit, error) {
	if v, err := strconv.ParseFloat(s, 64); err == nil {
		return v, Plain, nil
	}
	if d, err := ParseDuration(s); err == nil {
		return float64(d), Duration, nil
	}
	if last := s[len(s)-1]; last == 'b' || last == 'B' {
		if v, err := parseBytes(s); err == nil {
			return v, Bytes, nil
		}
	}
	return 0, Plain, errors.New("neither a number, nor a duration such as 10s, nor a size such as 20KB")
}

// convert reads the value of a label as a number of the unit.
func convert(s string, unit Unit) (float64, error) {
	switch unit {
	case Duration:
		d, err := ParseDuration(s)
		return float64(d), err
	case Bytes:
		return parseBytes(s)
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, errNumber
	}
	return v, nil
}
