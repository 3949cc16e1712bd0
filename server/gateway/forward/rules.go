package forward

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/gateway/exchange"
	"github.com/gabion-io/gabion/server/gateway/upstream"
)

// rules say what is worth another attempt.
type rules struct {
	connect, reset, timeout bool
	statuses                []int
	methods                 []string
}

func newRules(on, methods []string) (rules, error) {
	r := rules{methods: methods}
	for _, word := range on {
		switch word {
		case "connect":
			r.connect = true
		case "reset":
			r.reset = true
		case "timeout":
			r.timeout = true
		default:
			status, err := strconv.Atoi(word)
			if err != nil || status < 400 || status > 599 {
				return r, fmt.Errorf("retry.on: %q is not connect, reset, timeout or a status from 400 to 599", word)
			}
			r.statuses = append(r.statuses, status)
		}
	}
	return r, nil
}

// repeatable tells whether the request may be carried out twice.
func (r *rules) repeatable(q *exchange.Request) bool {
	return slices.Contains(r.methods, q.Method) || q.Header.Get("Idempotency-Key") != ""
}

// status tells whether an answer with this status is worth another attempt.
func (r *rules) status(code int) bool { return slices.Contains(r.statuses, code) }

// failure tells whether an attempt that failed like this is worth another one. What was not sent can be sent to another
// endpoint whether making the connection failed, or the connection.
func (r *rules) failure(e *upstream.Error) bool {
	switch e.Kind {
	case upstream.Connect:
		return r.connect
	case upstream.Reset:
		return r.reset || r.connect && !e.Sent
	case upstream.Timeout:
		return r.timeout || r.connect && !e.Reached
	case upstream.Protocol:
		return r.status(http.StatusBadGateway) // it would be the client's answer
	}
	return false
}

// judge says what an answer tells about the endpoint's health. 429 and other answers below 500 are the service's
// decision about the request. 501 and 505 are, too.
func judge(status int) gabion.Outcome {
	if status >= 500 && status != http.StatusNotImplemented && status != http.StatusHTTPVersionNotSupported {
		return gabion.Failure
	}
	return gabion.Success
}

// judgeGRPC is judge for the status of gRPC, which comes in the head of an answer without a body and else in the
// trailers; "" when it is not there.
func judgeGRPC(code string) gabion.Outcome {
	switch code {
	case "2", "4", "13", "14", "15": // UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE, DATA_LOSS
		return gabion.Failure
	}
	return gabion.Success
}

// asked is how long an answer asks to wait (Retry-After), 0 when it does not.
func asked(h exchange.Header, now func() time.Time) time.Duration {
	value := h.Get("Retry-After")
	if value == "" {
		return 0
	}
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(now()))
	}
	return 0
}
