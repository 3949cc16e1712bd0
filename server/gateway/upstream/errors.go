package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
)

// Kind says how an attempt failed.
type Kind uint8

// The kinds of failure.
const (
	// Connect: no connection could be made.
	Connect Kind = iota + 1
	// Reset: the connection broke, or was dropped, before the answer was complete.
	Reset
	// Timeout: the time for the attempt, or for the whole request, was over.
	Timeout
	// Canceled: the client went away, or its request broke off. It says nothing about the endpoint.
	Canceled
	// Protocol: what the endpoint sent is not HTTP, or more than is accepted.
	Protocol
)

// String returns the word for the kind: "connect", "reset", "timeout", "canceled", "protocol".
func (k Kind) String() string {
	switch k {
	case Connect:
		return "connect"
	case Reset:
		return "reset"
	case Timeout:
		return "timeout"
	case Canceled:
		return "canceled"
	case Protocol:
		return "protocol"
	}
	return "unknown"
}

// Error is why an attempt failed.
type Error struct {
	Kind Kind
	// Sent is set when a byte of the request may have reached the endpoint. It is never false by mistake.
	Sent bool
	// Reached is set when there was a connection.
	Reached bool
	// Err is the cause. It may hold addresses: it is for logs, not for clients.
	Err error
}

// Error returns the kind and the cause.
func (e *Error) Error() string { return fmt.Sprintf("upstream %s: %v", e.Kind, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Causes by which attempts are ended from this side.
var (
	errTimeout    = errors.New("no complete answer in time")
	errReleased   = errors.New("attempt ended")
	errVersion    = errors.New("the answer is in an unknown version of HTTP")
	errField      = errors.New("the answer has a field whose name is none")
	errSwitch     = errors.New("the answer changes to a protocol that was not asked for")
	errTooManyInf = errors.New("too many informational answers")
	errBodyClosed = errors.New("request body is not read any more")
)

// broken tells whether err is about the connection and not about what came over it.
func broken(err error) bool {
	var network *net.OpError
	if errors.Is(err, errBodyClosed) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.As(err, &network) {
		return true
	}
	// net/http does not export these.
	text := err.Error()
	return strings.Contains(text, "server closed idle connection") ||
		strings.Contains(text, "client connection lost") || strings.Contains(text, "client connection force closed") ||
		strings.Contains(text, "GOAWAY") || strings.Contains(text, "stream error") && !strings.Contains(text, "PROTOCOL_ERROR")
}

// classify tells what kind of failure an error of net/http is, and its cause.
func (a *attempt) classify(err error) (Kind, error) {
	if cause := a.ended(); cause != nil {
		if errors.Is(cause, errTimeout) || errors.Is(cause, context.DeadlineExceeded) {
			return Timeout, cause
		}
		return Canceled, cause
	}
	if broken(err) || a.conn != nil && a.conn.mute.Load() {
		return Reset, err
	}
	return Protocol, err
}
