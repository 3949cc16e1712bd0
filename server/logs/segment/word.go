package segment

import (
	"encoding/binary"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// The hash of a word takes eight bytes at once, in little endian and the last ones filled up with zeros, ASCII letters in lower case, as FNV-1a takes
// one. It is part of the format.
const (
	hashOffset = 0xcbf29ce484222325
	hashPrime  = 0x9e3779b97f4a7c15
	ones       = 0x0101010101010101
)

func step(h, eight uint64) uint64 {
	h = (h ^ eight) * hashPrime
	return h ^ h>>29
}

// lower puts the ASCII letters of eight bytes into lower case.
func lower(eight uint64) uint64 {
	low := eight & (0x7f * ones)
	letters := (low + (0x80-'A')*ones) ^ (low + (0x7f-'Z')*ones)
	return eight | (letters&^eight&(0x80*ones))>>2
}

func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// inWord tells whether a byte belongs to a word.
var inWord = func() (t [256]bool) {
	for c := range t {
		t[c] = entry.WordByte(byte(c))
	}
	return t
}()

// eachWord calls add with the hash of each word of a text, as [entry.Words] gives them but without making the words.
func eachWord(s string, add func(uint64)) {
	b := bytesOf(s)
	for i := 0; i < len(b); {
		if !inWord[b[i]] {
			i++
			continue
		}
		start := i
		for i < len(b) && inWord[b[i]] {
			i++
		}
		add(hashWord(b[start:], min(i-start, entry.MaxWord)))
	}
}

// hashWord is the hash of the word that is the first n bytes of b.
func hashWord(b []byte, n int) uint64 {
	h := uint64(hashOffset)
	for ; n >= 8; n -= 8 {
		h = step(h, lower(binary.LittleEndian.Uint64(b)))
		b = b[8:]
	}
	if n > 0 {
		h = step(h, lower(few(b, n)))
	}
	return mix(h)
}

// few reads n < 8 bytes, as if zeros followed.
func few(b []byte, n int) uint64 {
	if len(b) >= 8 {
		return binary.LittleEndian.Uint64(b) & (1<<(8*n) - 1)
	}
	var eight uint64
	for i := range n {
		eight |= uint64(b[i]) << (8 * i)
	}
	return eight
}

// hashAll is the hash of a whole text; nothing is folded.
func hashAll(s string) uint64 {
	h, b := uint64(hashOffset), bytesOf(s)
	for ; len(b) >= 8; b = b[8:] {
		h = step(h, binary.LittleEndian.Uint64(b))
	}
	return mix(step(h, few(b, len(b))))
}
