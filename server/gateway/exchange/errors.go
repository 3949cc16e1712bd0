package exchange

import "errors"

// What can go wrong on the client's side, or between the two. None of these says anything about the endpoint's health
// except ErrUpstreamBroke.
var (
	// ErrClientGone: the client went away, or stopped taking the answer.
	ErrClientGone = errors.New("the client went away")
	// ErrUpstreamBroke: the endpoint's answer ended too early or made no sense.
	ErrUpstreamBroke = errors.New("the answer of the endpoint broke")
	// ErrBodyTooLarge: the request body is larger than gateway.max_body.
	ErrBodyTooLarge = errors.New("the request body is too large")
	// ErrBodyBroken: the request body ended too early or its chunks are malformed.
	ErrBodyBroken = errors.New("the request body is malformed")
	// ErrBodySlow: the client sends the request body too slowly.
	ErrBodySlow = errors.New("the request body comes too slowly")
)

// BodyErr is why reading the request body failed: ErrBodyTooLarge, ErrBodyBroken, ErrBodySlow, ErrClientGone or nil. An
// attempt that failed while this is not nil failed because of the client: it is no failure of the endpoint, is not
// retried, and the client gets [ProblemOf] this error. It may be called while the body is still being read.
func (x *Exchange) BodyErr() error {
	if c, ok := x.Client.(interface{ BodyErr() error }); ok {
		return c.BodyErr()
	}
	return nil
}

// Received is how many bytes of the request body have come. It may be called while the body is still being read.
func (x *Exchange) Received() int64 {
	if c, ok := x.Client.(interface{ Received() int64 }); ok {
		return c.Received()
	}
	return x.Record.Received
}

// ProblemOf gives the problem to answer for an error of reading the request body; false when there is none, because
// it is another error or nobody is left to answer.
func ProblemOf(err error) (Problem, bool) {
	switch {
	case errors.Is(err, ErrBodyTooLarge):
		return Problem{Type: BodyTooLarge, Detail: "The request body is larger than this gateway accepts."}, true
	case errors.Is(err, ErrBodyBroken):
		return Problem{Type: BadRequest, Detail: "The request body is malformed."}, true
	case errors.Is(err, ErrBodySlow):
		return Problem{Type: RequestTimeout, Detail: "The request body came too slowly."}, true
	}
	return Problem{}, false
}
