package logs

import (
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/gabion-io/gabion/server/gateway/exchange"
	"github.com/gabion-io/gabion/server/gateway/trace"
	"github.com/gabion-io/gabion/server/mask"
)

// The bounds of what a client or an error can put into a line, in bytes before escaping. What is longer ends in "…".
const (
	maxWord = 256
	maxText = 2048
)

// appendLine appends the line of an exchange. Fields that do not apply are left out. The query is never there: it may
// hold secrets, as the identity may, which is masked.
func appendLine(b []byte, x *exchange.Exchange, took time.Duration, ids *identities) []byte {
	r := &x.Record
	b = append(b, `{"time":"`...)
	b = appendTime(b, x.Wall)
	b = append(b, '"')
	b = appendField(b, `,"route":`, r.Route, maxWord)
	b = appendField(b, `,"service":`, r.Service, maxWord)
	b = appendField(b, `,"endpoint":`, r.Endpoint, maxWord)
	b = appendField(b, `,"method":`, x.Request.Method, maxWord)
	b = appendField(b, `,"path":`, x.Request.Path, maxText)
	b = appendField(b, `,"proto":`, x.Request.Proto, maxWord)
	b = appendNumber(b, `,"status":`, int64(r.Status))
	b = appendMillis(b, `,"duration_ms":`, took)
	b = appendMillis(b, `,"upstream_ms":`, r.Upstream)
	b = appendNumber(b, `,"attempts":`, int64(r.Attempts))
	b = appendNumber(b, `,"received":`, r.Received)
	b = appendNumber(b, `,"sent":`, r.Sent)
	return append(appendWho(b, x, ids), "}\n"...)
}

// appendWho appends who asked and what went wrong.
func appendWho(b []byte, x *exchange.Exchange, ids *identities) []byte {
	r := &x.Record
	if x.Request.Client.IsValid() {
		b = append(b, `,"client":"`...)
		from := len(b)
		b = x.Request.Client.AppendTo(b)
		if x.Request.Client.Zone() != "" { // free text
			b = appendString(b[:from-1], x.Request.Client.String(), maxWord)
		} else {
			b = append(b, '"')
		}
	}
	if x.Identity != "" {
		b = appendField(b, `,"identity":`, ids.show(x.Identity), maxWord)
	}
	b = appendField(b, `,"request_id":`, x.RequestID, maxWord)
	if len(x.TraceParent) >= len("00-4bf92f3577b34da6a3ce929d0e0e4736") {
		b = appendField(b, `,"trace_id":`, trace.ID(x.TraceParent), maxWord)
	}
	b = appendField(b, `,"problem":`, r.Problem, maxWord)
	b = appendField(b, `,"degraded":`, r.Degraded, maxWord)
	if r.Err != nil {
		b = appendField(b, `,"error":`, mask.Error(r.Err, x.Identity), maxText)
	}
	return b
}

func appendField(b []byte, name, value string, limit int) []byte {
	if value == "" {
		return b
	}
	return appendString(append(b, name...), value, limit)
}

func appendNumber(b []byte, name string, n int64) []byte {
	return strconv.AppendInt(append(b, name...), n, 10)
}

// appendMillis appends d in milliseconds with three digits behind the point. A negative d is 0.
func appendMillis(b []byte, name string, d time.Duration) []byte {
	us := max(d, 0).Microseconds()
	b = strconv.AppendInt(append(b, name...), us/1000, 10)
	us %= 1000
	return append(b, '.', byte('0'+us/100), byte('0'+us/10%10), byte('0'+us%10))
}

// appendTime appends t in RFC 3339, in UTC and always with three digits of a second.
func appendTime(b []byte, t time.Time) []byte {
	b = t.UTC().AppendFormat(b, time.RFC3339) // this layout has a fast path
	ms := t.Nanosecond() / int(time.Millisecond)
	return append(b[:len(b)-1], '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10), 'Z')
}

const hexDigits = "0123456789abcdef"

// appendString appends s as a JSON string, cut to limit bytes. Invalid UTF-8 becomes U+FFFD; what could move the
// cursor of a terminal or break lines (controls, DEL, U+0080 … U+009F, U+2028, U+2029) is escaped.
func appendString(b []byte, s string, limit int) []byte {
	cut := len(s) > limit
	if cut {
		s = s[:limit]
	}
	b = append(b, '"')
	done := 0 // what is before is appended
	for i := 0; i < len(s); {
		if c := s[i]; c >= ' ' && c < 0x7f && c != '"' && c != '\\' {
			i++
			continue
		}
		b = append(b, s[done:i]...)
		r, size := utf8.DecodeRuneInString(s[i:])
		if i += size; !cut || utf8.FullRuneInString(s[i-size:]) { // else the cut went through it
			b = appendRune(b, r)
		} else {
			i = len(s)
		}
		done = i
	}
	b = append(b, s[done:]...)
	if cut {
		b = append(b, "…"...)
	}
	return append(b, '"')
}

func appendRune(b []byte, r rune) []byte {
	switch {
	case r == '"' || r == '\\':
		return append(b, '\\', byte(r))
	case r <= 0x9f || r == '\u2028' || r == '\u2029':
		return append(b, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
	}
	return utf8.AppendRune(b, r)
}
