package config

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes. Its text form has a unit: "512B", "64KiB", "10MB".
type Size int64

// sizeUnits are the units of a [Size], largest first, powers of two before those of ten.
var sizeUnits = []struct {
	name  string
	bytes Size
}{
	{"TiB", 1 << 40},
	{"GiB", 1 << 30},
	{"MiB", 1 << 20},
	{"KiB", 1 << 10},
	{"TB", 1e12},
	{"GB", 1e9},
	{"MB", 1e6},
	{"kB", 1e3},
	{"KB", 1e3},
	{"B", 1},
}

// UnmarshalText reads "1MiB", "1.5 GiB" or "512B". A number without a unit is refused.
func (s *Size) UnmarshalText(text []byte) error {
	bad := fmt.Errorf("%q is not a size: write a number and a unit, such as 512B, 64KiB or 10MiB", text)
	trimmed := strings.TrimSpace(string(text))
	for _, unit := range sizeUnits {
		amount, ok := strings.CutSuffix(trimmed, unit.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(amount), 64)
		total := n * float64(unit.bytes)
		if err != nil || math.IsNaN(n) || total < 0 || total >= math.MaxInt64 {
			return bad
		}
		*s = Size(total)
		return nil
	}
	return bad
}

// MarshalText writes the size in the largest unit that divides it.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String writes the size in the largest unit that divides it, such as "64KiB".
func (s Size) String() string {
	for _, unit := range sizeUnits {
		if s != 0 && s%unit.bytes == 0 {
			return strconv.FormatInt(int64(s/unit.bytes), 10) + unit.name
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}

// ByteRate is a number of bytes in a time. Its text form is "4MiB/s", "1GiB/h" or "64KiB/10s".
type ByteRate struct {
	Size Size
	Per  time.Duration
}

// UnmarshalText reads "4MiB/s".
func (r *ByteRate) UnmarshalText(text []byte) error {
	size, per, _ := strings.Cut(string(text), "/")
	if per = strings.TrimSpace(per); per != "" && (per[0] < '0' || per[0] > '9') {
		per = "1" + per
	}
	var s Size
	d, err := time.ParseDuration(per)
	if err != nil || d <= 0 || s.UnmarshalText([]byte(size)) != nil || s <= 0 {
		return fmt.Errorf("%q is not a size in a time: write a size and a time, such as 4MiB/s or 1GiB/h", text)
	}
	*r = ByteRate{s, d}
	return nil
}

// MarshalText writes the rate as "4MiB/s".
func (r ByteRate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// String writes the rate as "4MiB/s".
func (r ByteRate) String() string {
	per := r.Per.String()
	switch r.Per {
	case time.Second:
		per = "s"
	case time.Minute:
		per = "m"
	case time.Hour:
		per = "h"
	}
	return r.Size.String() + "/" + per
}

// PerSecond is how many bytes that are in a second.
func (r ByteRate) PerSecond() float64 { return float64(r.Size) / r.Per.Seconds() }

// day is 24 hours: a duration knows no calendar.
const day = 24 * time.Hour

// longUnits are the units of a duration that Go does not have, the longest first.
var longUnits = []struct {
	name string
	unit time.Duration
}{{"y", 365 * day}, {"w", 7 * day}, {"d", day}}

// parseDuration reads a duration as Go writes it, with years of 365 days, weeks and days before: "300ms", "15d", "1y6h".
func parseDuration(text string) (time.Duration, bool) {
	var long time.Duration
	rest := text
	for _, u := range longUnits {
		amount, after, found := strings.Cut(rest, u.name)
		if !found {
			continue
		}
		n, err := strconv.ParseUint(amount, 10, 32)
		if err != nil || time.Duration(n) > (math.MaxInt64-long)/u.unit {
			return 0, false
		}
		long, rest = long+time.Duration(n)*u.unit, after
	}
	if rest == "" && text != "" {
		return long, true
	}
	short, err := time.ParseDuration(rest)
	if err != nil || (rest != text && short < 0) || short > math.MaxInt64-long {
		return 0, false
	}
	return long + short, true
}

// Prefix is a network, such as 10.0.0.0/8. A single address is a network of one.
type Prefix struct{ netip.Prefix }

// UnmarshalText reads "10.0.0.0/8" or "10.0.0.1". Bits of the host part must be zero, because "10.1.2.3/8" is more
// often a slip of the mask than of the address.
func (p *Prefix) UnmarshalText(text []byte) error {
	trimmed := strings.TrimSpace(string(text))
	if addr, err := netip.ParseAddr(trimmed); err == nil && addr.Zone() == "" {
		p.Prefix = netip.PrefixFrom(addr, addr.BitLen())
		return nil
	}
	prefix, err := netip.ParsePrefix(trimmed)
	if err != nil {
		return fmt.Errorf("%q is not a network: write it as 10.0.0.0/8 or 2001:db8::/32", text)
	}
	if prefix != prefix.Masked() {
		return fmt.Errorf("%q has an address within the network: write %s, or the address with /%d", text, prefix.Masked(), prefix.Addr().BitLen())
	}
	p.Prefix = prefix
	return nil
}

// Secret is a reference to a secret: the name of an environment variable or the path of a file. The value itself is
// never in a configuration. The zero Secret means that there is none.
type Secret struct {
	// Env is the name of the environment variable that holds it.
	Env string `yaml:"env" derived:"none" example:"GABION_TOKEN"`
	// File is the path of the file that holds it. Space at its end is cut.
	File string `yaml:"file" derived:"none" example:"/run/secrets/gabion-token"`
}

// IsZero says whether there is no secret.
func (s Secret) IsZero() bool { return s == Secret{} }

// String returns the reference, never the value.
func (s Secret) String() string {
	switch {
	case s.Env != "":
		return "{env: " + s.Env + "}"
	case s.File != "":
		return "{file: " + s.File + "}"
	}
	return ""
}

// Read returns the secret's value. It fails when the variable is not set, the file cannot be read, or the value is
// empty: an empty secret protects nothing. The error never holds the value.
func (s Secret) Read() (string, error) {
	var value string
	switch {
	case s.Env != "":
		value = os.Getenv(s.Env)
	case s.File != "":
		content, err := os.ReadFile(s.File)
		if err != nil {
			return "", fmt.Errorf("read secret: %w", err)
		}
		value = string(content)
	default:
		return "", errors.New("read secret: there is no reference to one")
	}
	if value = strings.TrimRight(value, " \t\r\n"); value == "" {
		return "", fmt.Errorf("read secret %v: it is empty", s)
	}
	return value, nil
}

// section makes the policy's two halves known to code that does not know its type.
func (p *Policy[C]) section() (off *bool, config reflect.Value) {
	return &p.Off, reflect.ValueOf(&p.Config).Elem()
}

// policy is a *Policy of any type.
type policy interface {
	section() (off *bool, config reflect.Value)
}
