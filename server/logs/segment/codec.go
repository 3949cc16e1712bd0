package segment

import (
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/format"
)

// codec is zstd as parquet-go has it, except that texts in which nothing repeats are still coded by how often each character occurs: an ID in
// hexadecimal takes half of its size.
type codec struct{}

// The encoder and the decoder are shared: their EncodeAll and DecodeAll may be called by many goroutines.
var (
	encoder = sync.OnceValues(func() (*zstd.Encoder, error) {
		return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithAllLitEntropyCompression(true), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithZeroFrames(true))
	})
	decoder = sync.OnceValues(func() (*zstd.Decoder, error) {
		return zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderMaxMemory(maxText))
	})
)

// Encode compresses src into dst.
func (codec) Encode(dst, src []byte) ([]byte, error) {
	e, err := encoder()
	if err != nil {
		return dst, fmt.Errorf("segment: %w", err)
	}
	return e.EncodeAll(src, dst[:0]), nil
}

// Decode does the reverse.
func (codec) Decode(dst, src []byte) ([]byte, error) {
	d, err := decoder()
	if err != nil {
		return dst, fmt.Errorf("segment: %w", err)
	}
	return d.DecodeAll(src, dst[:0])
}

// String is the name.
func (codec) String() string { return "ZSTD" }

// CompressionCodec is the name in the format.
func (codec) CompressionCodec() format.CompressionCodec { return format.Zstd }
