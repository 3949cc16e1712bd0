// Package frame is how items travel from the gateway to the store: one after the other in the body of a request, each with
// its kind. An item is the length of its kind, the kind, the length of its payload, and the payload; both lengths are
// unsigned varints as encoding/binary writes them.
package frame

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// MaxKind is how many bytes a kind has at most.
const MaxKind = 64

// ErrMalformed says that a body is not made of frames.
var ErrMalformed = errors.New("malformed frame")

// The fields of a request and its answer. Both ends number the items of one sender 0, 1, 2, …
const (
	// Path is where the store takes items.
	Path = "/-/feed"
	// Sender identifies who numbers the items; it is different for every sender and every start of it.
	Sender = "Gabion-Sender"
	// First is the number of the first item in the body.
	First = "Gabion-First"
	// Next, in an answer, is the number of the first item that the store has not taken: all before are done with.
	Next = "Gabion-Next"
	// Refused, in an answer, is how many items of the body the store will never take.
	Refused = "Gabion-Refused"
)

// Size is how many bytes [Append] adds.
func Size(kind string, payload []byte) int {
	return varint(len(kind)) + len(kind) + varint(len(payload)) + len(payload)
}

func varint(n int) int {
	size := 1
	for ; n >= 0x80; n >>= 7 {
		size++
	}
	return size
}

// Append adds a frame to b. The kind has 1 to [MaxKind] bytes.
func Append(b []byte, kind string, payload []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(kind)))
	b = append(b, kind...)
	b = binary.AppendUvarint(b, uint64(len(payload)))
	return append(b, payload...)
}

// Cut cuts the first frame off b, which is not empty. What it returns points into b. The error is [ErrMalformed].
func Cut(b []byte) (kind, payload, rest []byte, err error) {
	if kind, rest, err = cut(b); err != nil {
		return nil, nil, nil, err
	}
	if len(kind) == 0 || len(kind) > MaxKind {
		return nil, nil, nil, fmt.Errorf("%w: a kind of %d bytes", ErrMalformed, len(kind))
	}
	if payload, rest, err = cut(rest); err != nil {
		return nil, nil, nil, err
	}
	return kind, payload, rest, nil
}

func cut(b []byte) (text, rest []byte, err error) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, nil, fmt.Errorf("%w: it ends too early or has no length, %d bytes before the end", ErrMalformed, len(b))
	}
	end := size + int(n)
	return b[size:end:end], b[end:], nil
}
