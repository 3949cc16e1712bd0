package segment

import (
	"encoding/binary"
	"math/bits"

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

func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// classify tells of eight bytes which belong to a word, see [entry.WordByte], by the highest bit of each byte, and puts ASCII letters into
// lower case.
func classify(eight uint64) (folded, inWord uint64) {
	const high = 0x80 * ones
	low := eight &^ high
	digits := (low + (0x80-'0')*ones) ^ (low + (0x7f-'9')*ones)
	low |= 0x20 * ones // no other byte becomes a letter by this
	letters := ((low + (0x80-'a')*ones) ^ (low + (0x7f-'z')*ones)) &^ eight & high
	return eight | letters>>2, (letters | digits | eight) & high
}

// eachWord calls add with the hash of each word of a text, as [entry.Words] gives them but without making the words.
func eachWord(s string, add func(uint64)) {
	for at := 0; at < len(s); {
		var h uint64
		var n int
		if h, n, at = nextWord(s, at); n > 0 {
			add(h)
		}
	}
}

// nextWord gives the hash of the word that begins at that place of a text, its length, which is 0 when none begins there, and where to look for the next
// one.
func nextWord(s string, at int) (h uint64, n, next int) {
	h = hashOffset
	for n < entry.MaxWord {
		folded, inWord := classify(few(bytesOf(s[at+n:]), len(s)-at-n))
		more := bits.TrailingZeros64(^inWord&(0x80*ones)) / 8
		if more < 8 {
			if more > 0 {
				h = step(h, folded&(1<<(8*more)-1))
			}
			n += more
			return mix(h), n, at + n + 1
		}
		h, n = step(h, folded), n+8
	}
	next = at + n
	for next < len(s) && entry.WordByte(s[next]) {
		next++
	}
	return mix(h), n, next + 1
}

// few reads the first 8 of n bytes; as if zeros followed, when they are fewer.
func few(b []byte, n int) uint64 {
	if len(b) >= 8 {
		return binary.LittleEndian.Uint64(b)
	}
	var eight uint64
	for i := range n {
		eight |= uint64(b[i]) << (8 * i)
	}
	return eight
}

// maskSize is how many bytes are looked at together.
const maskSize = 64

// wordMask tells of the first n bytes of a text, at most 64, which belong to a word, by the bit of each. More of the text can be read.
func wordMask(b []byte, n int) (mask uint64) {
	for at := 0; at < n; at += 8 {
		mask |= maskOf(binary.LittleEndian.Uint64(b[at:])) << at
	}
	return mask & (^uint64(0) >> (maskSize - n))
}

// maskOf is the mask of eight bytes.
func maskOf(eight uint64) uint64 {
	_, inWord := classify(eight)
	return (inWord >> 7) * 0x0102040810204080 >> 56 // brings the lowest bits of all bytes together
}

// wordAt is the hash of the word that the first n bytes are, before it is mixed, as nextWord does it. More of the text can be read.
func wordAt(b []byte, n int) uint64 {
	eight := lower(binary.LittleEndian.Uint64(b))
	if n <= 8 {
		return step(hashOffset, eight&(^uint64(0)>>(8*(8-n))))
	}
	return longWordAt(b[8:], n-8, step(hashOffset, eight))
}

// longWordAt goes on behind the bytes whose hash is h.
func longWordAt(b []byte, n int, h uint64) uint64 {
	for ; n > 8; n -= 8 {
		h = step(h, lower(binary.LittleEndian.Uint64(b)))
		b = b[8:]
	}
	return step(h, lower(binary.LittleEndian.Uint64(b))&(^uint64(0)>>(8*(8-n))))
}

// lower puts ASCII letters into lower case. It may change bytes that do not belong to a word.
func lower(eight uint64) uint64 {
	return eight | (eight&(0x40*ones)&^(eight>>1))>>1 // of the bytes of words, only letters have this bit and not the highest one
}

// hashAll is the hash of a whole text; nothing is folded.
func hashAll(s string) uint64 {
	h, b := uint64(hashOffset), bytesOf(s)
	for ; len(b) >= 8; b = b[8:] {
		h = step(h, binary.LittleEndian.Uint64(b))
	}
	return mix(step(h, few(b, len(b))))
}
