package segment

import (
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// window is how far back a page is searched for what comes again.
const window = 256 << 10

// encoder is shared: its EncodeAll may be called by many goroutines. Texts in which nothing repeats are still coded by how often each
// character occurs: an ID in hexadecimal takes half of its size. A match is looked for in what stays in the processor's cache: further away there is
// none that is better.
var encoder = sync.OnceValues(func() (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithAllLitEntropyCompression(true), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithZeroFrames(true), zstd.WithWindowSize(window))
})

// compress compresses src into dst, whose bytes are overwritten.
func compress(dst, src []byte) ([]byte, error) {
	e, err := encoder()
	if err != nil {
		return dst, fmt.Errorf("segment: %w", err)
	}
	return e.EncodeAll(src, dst[:0]), nil
}
