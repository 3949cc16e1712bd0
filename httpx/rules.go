package httpx

import (
	"errors"
	"net"
	"net/http"
	"strings"

	"github.com/gabion-io/gabion"
)

// ServerError says whether an answer shows that the service does not work: 5xx, other than 501 and 505, which are about
// the request. 429 does not: a service that limits its callers is well.
func ServerError(resp *http.Response) bool { return failedStatus(resp.StatusCode) }

func failedStatus(status int) bool {
	return status >= 500 && status != http.StatusNotImplemented && status != http.StatusHTTPVersionNotSupported
}

// Repeatable says whether a request may be carried out twice: its method is GET, HEAD, OPTIONS or TRACE, or it has
// an Idempotency-Key. PUT and DELETE may by the book, but too many services do not keep to it.
func Repeatable(r *http.Request) bool {
	switch r.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return r.Header.Get("Idempotency-Key") != ""
}

// Classify is the Classify of a pipe that requests go through. It is like the default of [gabion.Config], except that an
// answer that is no failure and yet asks to come again, such as 429, and a request whose body could not be read ([ErrBody])
// say nothing about the one who was called.
func Classify(_ any, err error) gabion.Outcome {
	if err == nil {
		return gabion.Success
	}
	if status, ok := errors.AsType[*StatusError](err); ok && !status.Failed || errors.Is(err, ErrBody) {
		return gabion.Ignored
	}
	return gabion.Failure
}

// HostOf is the host that a request is sent to, in lower case and always with its port, such as "api.example.com:443".
// It is meant for [TransportConfig].Key.
func HostOf(r *http.Request) string {
	port := r.URL.Port()
	if port == "" {
		port = "80"
		if strings.EqualFold(r.URL.Scheme, "https") {
			port = "443"
		}
	}
	return net.JoinHostPort(strings.ToLower(r.URL.Hostname()), port)
}
