package exchange

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// IsGRPC tells whether a Content-Type is one of gRPC.
func IsGRPC(contentType string) bool {
	rest, ok := strings.CutPrefix(contentType, "application/grpc")
	return ok && (rest == "" || rest[0] == '+' || rest[0] == ';')
}

// grpcContent is shared and never changed.
var grpcContent = []string{"application/grpc"}

// grpc makes the answer that clients of gRPC understand: status 200, and what happened in fields of the head alone.
func (p *Problem) grpc(x *Exchange) *Answer {
	o := &x.own
	if o.header == nil {
		o.header = NewFields()
	}
	clear(o.header)
	o.header["Content-Type"] = grpcContent
	o.header["Grpc-Status"] = []string{strconv.Itoa(grpcStatus(p.Type, p.Status))}
	message := p.Title
	if p.Detail != "" {
		message += ": " + p.Detail
	}
	o.header["Grpc-Message"] = []string{grpcMessage(message)}
	if p.RetryAfter > 0 {
		o.header["Grpc-Retry-Pushback-Ms"] = []string{strconv.FormatInt(int64(roundUp(p.RetryAfter, time.Millisecond)), 10)}
	}
	o.answer = Answer{Status: 200, Header: o.header}
	return &o.answer
}

// grpcStatus is the code of gRPC for a problem. Clients retry UNAVAILABLE, so only what passes by itself is that.
func grpcStatus(kind string, status int) int {
	switch {
	case kind == RateLimited, kind == BodyTooLarge, kind == HeaderTooLarge:
		return 8 // RESOURCE_EXHAUSTED
	case kind == UpstreamTimeout, kind == DeadlineExceeded, kind == RequestTimeout:
		return 4 // DEADLINE_EXCEEDED
	case kind == NoRoute, kind == MethodNotAllowed:
		return 12 // UNIMPLEMENTED
	case kind == BadRequest:
		return 3 // INVALID_ARGUMENT
	case status == 401:
		return 16 // UNAUTHENTICATED
	case status == 403:
		return 7 // PERMISSION_DENIED
	case status == 429:
		return 8
	case status == 502, status == 503, status == 504:
		return 14 // UNAVAILABLE
	}
	return 13 // INTERNAL
}

// grpcMessage writes a text as gRPC wants it: percent-encoded, except for printable ASCII.
func grpcMessage(text string) string {
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
