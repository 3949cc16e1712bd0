package httpx

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// HeaderTimeout of a request is what is left of its deadline, in milliseconds.
	HeaderTimeout = "X-Gabion-Timeout-Ms"
	// HeaderAttempt of a request is the number of the try, from 1.
	HeaderAttempt = "X-Gabion-Attempt"
	// HeaderGaveUp of an answer says that what failed was tried again further in, until that was given up: whoever gets the
	// answer should not begin anew. Its value is "true".
	HeaderGaveUp = "X-Gabion-Gave-Up"
)

const (
	// maxTimeout is the longest time that a request can ask for; more is as good as none.
	maxTimeout = 24 * time.Hour
	// maxAttempt bounds what is believed of the number of a try.
	maxAttempt = 1000
)

// milliseconds writes what is left of a deadline; less than one millisecond is one, because none would mean that it is over.
func milliseconds(left time.Duration) string {
	return strconv.FormatInt(max(1, left.Milliseconds()), 10)
}

// timeoutOf is the time that a request allows.
func timeoutOf(h http.Header) (time.Duration, bool) {
	ms, ok := number(h, HeaderTimeout, uint64(maxTimeout/time.Millisecond))
	return time.Duration(ms) * time.Millisecond, ok
}

// attemptOf is the number of the try that a request says it is; 1 when it says nothing that makes sense.
func attemptOf(h http.Header) int {
	n, _ := number(h, HeaderAttempt, maxAttempt)
	return int(max(1, n))
}

// number is the value of a field that is a number, and at most so much.
func number(h http.Header, name string, most uint64) (uint64, bool) {
	values := h[name]
	if len(values) == 0 || values[0] == "" { // nearly always, and an error of strconv costs memory
		return 0, false
	}
	n, err := strconv.ParseUint(values[0], 10, 64)
	if err != nil || n > most {
		return 0, false
	}
	return n, true
}

// retryAfter is how long an answer asks to wait (RFC 9110, section 10.2.3), 0 when it does not. A date is compared with the
// answer's own, so that clocks that differ do not matter; with now when it has none.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if value == "" {
		return 0
	}
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return max(0, at.Sub(now))
}

// isStream says whether nobody can tell how long the answer to a request takes.
func isStream(r *http.Request) bool {
	return r.Header.Get("Upgrade") != "" || strings.Contains(r.Header.Get("Accept"), "text/event-stream")
}
