package segment

import (
	"encoding/binary"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// The hash of a word is FNV-1a over its bytes, ASCII letters in lower case, mixed at the end. It is part of the format.
const (
	fnvOffset = 0xcbf29ce484222325
	fnvPrime  = 0x100000001b3
)

func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// folded has for each byte what it is in a word: itself, in lower case, or 0 when it belongs to none.
var folded = func() (t [256]byte) {
	for c := range t {
		if !entry.WordByte(byte(c)) {
			continue
		}
		t[c] = byte(c)
		if 'A' <= c && c <= 'Z' {
			t[c] += 'a' - 'A'
		}
	}
	return t
}()

// eachWord calls add with the hash of each word of a text, as [entry.Words] gives them but without making the words.
func eachWord(s string, add func(uint64)) {
	for i := 0; i < len(s); {
		c := folded[s[i]]
		if c == 0 {
			i++
			continue
		}
		start, h := i, uint64(fnvOffset)
		for ; c != 0; c = folded[s[i]] {
			if i-start < entry.MaxWord {
				h = (h ^ uint64(c)) * fnvPrime
			}
			if i++; i == len(s) {
				break
			}
		}
		add(mix(h))
	}
}

// hashAll is the hash of a whole text: as that of a word, but of eight bytes at once, and nothing is folded.
func hashAll(s string) uint64 {
	h, b := uint64(fnvOffset), bytesOf(s)
	for ; len(b) >= 8; b = b[8:] {
		h = (h ^ binary.LittleEndian.Uint64(b)) * fnvPrime
		h ^= h >> 29
	}
	for _, c := range b {
		h = (h ^ uint64(c)) * fnvPrime
	}
	return mix(h)
}
