package httpx

import (
	"net/http"
	"strconv"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func TestRetryAfterIsRead(t *testing.T) {
	for _, test := range []struct {
		value, date string
		want        time.Duration
	}{
		{"", "", 0},
		{"0", "", 0},
		{"120", "", 2 * time.Minute},
		{" 120 ", "", 2 * time.Minute},
		{"-1", "", 0},
		{"+1", "", 0},
		{"1.5", "", 0},
		{"0x10", "", 0},
		{"99999999999999999999", "", 0},
		{"2147483647", "", 2147483647 * time.Second},
		{"Sat, 21 Nov 2026 12:00:30 GMT", "", 30 * time.Second},
		{"Saturday, 21-Nov-26 12:00:30 GMT", "", 30 * time.Second},
		{"Sat, 21 Nov 2026 11:00:00 GMT", "", 0},
		{"Sat, 21 Nov 2026 11:00:30 GMT", "Sat, 21 Nov 2026 11:00:00 GMT", 30 * time.Second}, // its clock is an hour behind
		{"Sat, 21 Nov 2026 12:00:30 GMT", "today", 30 * time.Second},
		{"tomorrow", "", 0},
	} {
		h := http.Header{"Retry-After": {test.value}}
		if test.date != "" {
			h.Set("Date", test.date)
		}
		if got := retryAfter(h, noon); got != test.want {
			t.Errorf("%q on %q: %v, want %v", test.value, test.date, got, test.want)
		}
	}
}

func TestTimeoutsAndAttemptsAreRead(t *testing.T) {
	for _, test := range []struct {
		value   string
		timeout time.Duration
		has     bool
		attempt int
	}{
		{"", 0, false, 1},
		{"0", 0, true, 1},
		{"1", time.Millisecond, true, 1},
		{"3", 3 * time.Millisecond, true, 3},
		{"-3", 0, false, 1},
		{"+3", 0, false, 1},
		{"3ms", 0, false, 1},
		{"3_0", 0, false, 1},
		{"1000", time.Second, true, 1000},
		{"1001", 1001 * time.Millisecond, true, 1},
		{"86400000", 24 * time.Hour, true, 1},
		{"86400001", 0, false, 1},
		{"18446744073709551617", 0, false, 1},
	} {
		h := http.Header{HeaderTimeout: {test.value}, HeaderAttempt: {test.value}}
		if d, ok := timeoutOf(h); d != test.timeout || ok != test.has {
			t.Errorf("%q is the time %v, %v, want %v, %v", test.value, d, ok, test.timeout, test.has)
		}
		if n := attemptOf(h); n != test.attempt {
			t.Errorf("%q is the try %d, want %d", test.value, n, test.attempt)
		}
	}
}

func TestMilliseconds(t *testing.T) {
	for left, want := range map[time.Duration]string{
		-time.Second: "1", 0: "1", time.Microsecond: "1", 1999 * time.Microsecond: "1", time.Minute: "60000",
	} {
		if got := milliseconds(left); got != want {
			t.Errorf("%v is %s ms, want %s", left, got, want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, value := range []string{"", "1", "-1", "Sat, 21 Nov 2026 12:00:30 GMT", "Sun Nov  6 08:49:37 1994", "1e9", "\x00"} {
		f.Add(value, "Sat, 21 Nov 2026 12:00:00 GMT")
	}
	f.Fuzz(func(t *testing.T, value, date string) {
		got := retryAfter(http.Header{"Retry-After": {value}, "Date": {date}}, noon)
		if got < 0 {
			t.Errorf("%q on %q: %v", value, date, got)
		}
		if n, err := strconv.ParseUint(value, 10, 31); err == nil && got != time.Duration(n)*time.Second {
			t.Errorf("%q: %v", value, got)
		}
	})
}

func FuzzTimeoutAndAttempt(f *testing.F) {
	for _, value := range []string{"", "0", "1", "86400000", "86400001", "-1", "1 ", "٣", "00001"} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		h := http.Header{HeaderTimeout: {value}, HeaderAttempt: {value}}
		d, ok := timeoutOf(h)
		if d < 0 || d > maxTimeout || !ok && d != 0 {
			t.Errorf("%q is the time %v, %v", value, d, ok)
		}
		if ok && d > 0 && milliseconds(d) != strconv.FormatInt(d.Milliseconds(), 10) {
			t.Errorf("%q is read as %v, and written as %s", value, d, milliseconds(d))
		}
		if n := attemptOf(h); n < 1 || n > maxAttempt {
			t.Errorf("%q is the try %d", value, n)
		}
	})
}
