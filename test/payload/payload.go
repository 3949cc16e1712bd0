// Package payload makes answers that cannot be confused: each depends on the id of its request, so that a client can
// tell whether it got all of its own answer and nothing else.
package payload

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/fnv"
)

// Header fields between the load and the backends, which a gateway passes on.
const (
	// ID is the request's id.
	ID = "X-Load-Id"
	// Size is how many bytes the answer is to have.
	Size = "X-Load-Size"
	// Work is how long the backend is to work for it, instead of what it was told.
	Work = "X-Load-Work"
	// Backend is the name of the backend that answered.
	Backend = "X-Load-Backend"
)

// What can be wrong with an answer that looks complete.
var (
	ErrTruncated = errors.New("the answer is shorter than it should be")
	ErrForeign   = errors.New("the answer holds what does not belong to it")
)

// Make makes the answer to the request id.
func Make(id string, size int) []byte {
	hash := fnv.New64a()
	hash.Write([]byte(id))
	state := hash.Sum64() | 1
	body := make([]byte, 0, size+8)
	for len(body) < size {
		state ^= state << 13
		state ^= state >> 7
		state ^= state << 17
		body = binary.LittleEndian.AppendUint64(body, state)
	}
	return body[:size]
}

// Check says what is wrong with an answer to the request id.
func Check(id string, size int, body []byte) error {
	want := Make(id, size)
	if bytes.Equal(body, want) {
		return nil
	}
	if bytes.HasPrefix(want, body) {
		return ErrTruncated
	}
	return ErrForeign
}
