package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestSize(t *testing.T) {
	for text, want := range map[string]Size{
		"512B": 512, "64KiB": 64 << 10, "10 MiB": 10 << 20, "1.5GiB": 3 << 29, "2MB": 2e6, "1kB": 1000, "1KB": 1000, "1TiB": 1 << 40, "0B": 0,
	} {
		var got Size
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%s: %d, %v, want %d", text, got, err, want)
		}
		var again Size
		if err := again.UnmarshalText([]byte(got.String())); err != nil || again != got {
			t.Errorf("%s is written as %s", text, got)
		}
	}
	for _, text := range []string{"", "10", "-1MiB", "1mib", "MiB", "NaNB", "1e30TiB", "1 MiB/s", "InfB"} {
		if err := new(Size).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is read as a size", text)
		}
	}
}

func TestByteRate(t *testing.T) {
	for text, want := range map[string]ByteRate{
		"4MiB/s": {4 << 20, time.Second}, "1.5 GiB / h": {3 << 29, time.Hour}, "64KiB/10s": {64 << 10, 10 * time.Second},
		"1B/m": {1, time.Minute}, "1kB/1m30s": {1000, 90 * time.Second}, "2MB/100ms": {2e6, 100 * time.Millisecond},
		"1GiB/72h": {1 << 30, 72 * time.Hour},
	} {
		var got ByteRate
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%s: %v, %v, want %v", text, got, err, want)
		}
		var again ByteRate
		if err := again.UnmarshalText([]byte(got.String())); err != nil || again != got {
			t.Errorf("%s is written as %s", text, got)
		}
	}
	if got := (ByteRate{4 << 20, time.Second}).String(); got != "4MiB/s" {
		t.Error(got)
	}
	for _, text := range []string{"", "/", "4MiB", "4MiB/", "/s", "4/s", "0B/s", "-1MiB/s", "4MiB/0s", "4MiB/-1s", "4MiB/week", "4MiB/s/s"} {
		if err := new(ByteRate).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is read as a size in a time", text)
		}
	}
}

func TestPrefix(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.0/8": "10.0.0.0/8", "10.1.2.3": "10.1.2.3/32", "::1": "::1/128", "2001:db8::/32": "2001:db8::/32",
	} {
		var got Prefix
		if err := got.UnmarshalText([]byte(text)); err != nil || got.String() != want {
			t.Errorf("%s: %v, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "10.0.0.1/8", "10.0.0.0/33", "localhost", "fe80::1%eth0"} {
		if err := new(Prefix).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is read as a network", text)
		}
	}
}

func TestSecret(t *testing.T) {
	const value = "s3cr3t"
	file := filepath.Join(t.TempDir(), "token")
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(file, []byte(value+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GABION_TEST_TOKEN", value)
	for _, s := range []Secret{{Env: "GABION_TEST_TOKEN"}, {File: file}} {
		got, err := s.Read()
		if err != nil || got != value {
			t.Errorf("%v: %q, %v", s, got, err)
		}
		if shown := fmt.Sprintf("%v %+v %s", s, s, s); strings.Contains(shown, value) {
			t.Errorf("the value is shown: %s", shown)
		}
	}
	for _, s := range []Secret{{}, {Env: "GABION_TEST_NO_TOKEN"}, {File: file + "x"}, {File: empty}} {
		if got, err := s.Read(); err == nil {
			t.Errorf("%v: %q, want an error", s, got)
		}
	}
	if !(Secret{}).IsZero() || (Secret{Env: "A"}).IsZero() {
		t.Error("IsZero")
	}
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]string{
		"300ms": "300ms", "15d": "15d", "5y": "5y", "2w": "14d", "1d": "24h", "36h": "36h", "48h": "2d", "1y2w3d4h5m6s": "9172h5m6s", "1d12h": "36h",
		"0": "0s", "0d": "0s", "1.5h": "1h30m", "730d": "2y",
	} {
		d, ok := parseDuration(text)
		if got := durationText(d); !ok || got != want {
			t.Errorf("%s: %s, %v, want %s", text, got, ok, want)
		}
		if again, ok := parseDuration(durationText(d)); !ok || again != d {
			t.Errorf("%s is written as %s", text, durationText(d))
		}
	}
	for _, text := range []string{"", "d", "1.5d", "-1d", "1d-1h", "1h1d", "1d1y", "1d1d", "300y", "292y300d", "99999999999y", "1dd", "1 d", "5", "y", "1d5"} {
		if d, ok := parseDuration(text); ok {
			t.Errorf("%q is read as %v", text, d)
		}
	}
}

func TestLink(t *testing.T) {
	t.Setenv("GABION_TEST_HOOK", "https://example.org/s3cr3t")
	t.Setenv("GABION_TEST_NO_HOOK", "s3cr3t")
	for _, l := range []Link{{Text: "http://127.0.0.1:1/hook"}, {Secret: Secret{Env: "GABION_TEST_HOOK"}}} {
		if got, err := l.Read(); err != nil || !strings.HasPrefix(got, "http") || strings.Contains(fmt.Sprint(l), "s3cr3t") || l.IsZero() {
			t.Errorf("%v: %q, %v", l, got, err)
		}
	}
	for _, l := range []Link{{}, {Text: "example.org"}, {Secret: Secret{Env: "GABION_TEST_NO_HOOK"}}, {Secret: Secret{Env: "GABION_TEST_NONE"}}} {
		if got, err := l.Read(); err == nil || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%v: %q, %v", l, got, err)
		}
	}
	if !(Link{}).IsZero() {
		t.Error("IsZero")
	}
}
