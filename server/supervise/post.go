package supervise

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"

	"github.com/gabion-io/gabion/server/store/frame"
)

// Feed makes a buffer for items that the child should get. It lives longer than the child if need be: close it first.
func (c *Child) Feed(cfg FeedConfig) *Feed {
	sender := rand.Text()
	return newFeed(cfg, c.Up, func(ctx context.Context, first uint64, body []byte) (next, refused uint64, err error) {
		return post(ctx, c.socket, sender, first, body)
	})
}

// post sends a batch. Whatever the error, the items before next are taken.
func post(ctx context.Context, via http.RoundTripper, sender string, first uint64, body []byte) (next, refused uint64, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://store"+frame.Path, bytes.NewReader(body))
	if err != nil {
		return 0, 0, err
	}
	r.Header.Set(frame.Sender, sender)
	r.Header.Set(frame.First, strconv.FormatUint(first, 10))
	r.Header.Set("Content-Type", "application/octet-stream")
	answer, err := via.RoundTrip(r)
	if failed, ok := errors.AsType[*net.OpError](err); err != nil && ctx.Err() == nil && (!ok || failed.Op != "dial") {
		return 0, 0, fmt.Errorf("%w: %w", errBroken, err)
	}
	if err != nil {
		return 0, 0, err
	}
	defer answer.Body.Close()
	next = number(answer, frame.Next)
	refused = number(answer, frame.Refused)
	switch answer.StatusCode {
	case http.StatusNoContent:
		return next, refused, nil
	case http.StatusBadRequest:
		return 0, 0, errBadBatch
	default:
		return next, refused, fmt.Errorf("the store answers with %s", answer.Status)
	}
}

// number is a field of an answer, 0 when it is none.
func number(answer *http.Response, field string) uint64 {
	n, err := strconv.ParseUint(answer.Header.Get(field), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
