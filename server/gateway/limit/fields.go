package limit

import (
	"strconv"
	"time"

	"github.com/gabion-io/gabion/ratelimit"
	"github.com/gabion-io/gabion/server/gateway/exchange"
)

// fields collects the values of RateLimit-Policy and RateLimit (IETF draft-ietf-httpapi-ratelimit-headers) of all limits
// of a request. A limit of server time has the quota unit "server-ms".
type fields struct {
	policy, state [128]byte
	p, s          []byte
}

// add appends one limit's items: "per-user";q=200;w=2 and "per-user";r=150;t=1.
func (f *fields) add(name, unit string, d ratelimit.Decision) {
	if f.p == nil {
		f.p, f.s = f.policy[:0], f.state[:0]
	} else {
		f.p, f.s = append(f.p, ", "...), append(f.s, ", "...)
	}
	f.p = appendName(f.p, name, unit)
	f.p = append(f.p, ";q="...)
	f.p = strconv.AppendInt(f.p, int64(d.Limit), 10)
	if unit != "" {
		f.p = append(f.p, `;qu="`...)
		f.p = append(f.p, unit...)
		f.p = append(f.p, '"')
	}
	f.p = append(f.p, ";w="...)
	f.p = strconv.AppendInt(f.p, seconds(d.Window), 10)
	f.s = appendName(f.s, name, unit)
	f.s = append(f.s, ";r="...)
	f.s = strconv.AppendInt(f.s, int64(d.Remaining), 10)
	f.s = append(f.s, ";t="...)
	f.s = strconv.AppendInt(f.s, seconds(d.Reset), 10)
}

// appendName tells the two parts of a limit that has both apart.
func appendName(b []byte, name, unit string) []byte {
	b = append(b, '"')
	b = append(b, name...)
	if unit != "" {
		b = append(b, ".server_time"...)
	}
	return append(b, '"')
}

func (f *fields) reply(x *exchange.Exchange) {
	if f.p == nil {
		return
	}
	x.Reply.Set("Ratelimit-Policy", string(f.p))
	x.Reply.Set("Ratelimit", string(f.s))
}

// seconds rounds up: who waits that long has waited long enough.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }
