package packed

import "encoding/binary"

// Bytes of eight in one word.
const (
	ones    = 0x0101010101010101
	nibbles = 0x0f * ones
)

// appendID appends an ID in half its bytes when it is lower-case hexadecimal, as IDs are.
func appendID(b []byte, s string) []byte {
	if s == "" {
		return append(b, 0)
	}
	if len(s)%2 == 0 {
		start := len(b)
		b = appendNumber(b, len(s)+1)
		var ok bool
		if b, ok = appendHex(b, s); ok {
			return b
		}
		b = b[:start]
	}
	return append(appendNumber(b, len(s)<<1), s...)
}

// appendHex appends what hexadecimal digits stand for; false when they are not all that, in lower case. There is an even number of them.
func appendHex(b []byte, s string) ([]byte, bool) {
	for ; len(s) >= 8; s = s[8:] {
		four, ok := fromHex(uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
			uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56)
		if !ok {
			return b, false
		}
		b = binary.LittleEndian.AppendUint32(b, four)
	}
	for ; s != ""; s = s[2:] {
		two, ok := fromHex(uint64(s[0]) | uint64(s[1])<<8 | ('0'*ones)&^0xffff)
		if !ok {
			return b, false
		}
		b = append(b, byte(two))
	}
	return b, true
}

// fromHex reads eight digits, the first in the lowest byte, all at once; false when one of them is none.
func fromHex(digits uint64) (four uint32, ok bool) {
	n := digits&nibbles + 9*(digits>>6&ones) // letters have the bit 6, digits do not
	if n&^nibbles != 0 || toDigits(n) != digits {
		return 0, false
	}
	n = (n<<4 | n>>8) & 0x00ff00ff00ff00ff
	n = (n | n>>8) & 0x0000ffff0000ffff
	return uint32(n | n>>16), true
}

// toHex writes four bytes as eight digits.
func toHex(four uint32) uint64 {
	n := uint64(four)
	n = (n | n<<16) & 0x0000ffff0000ffff
	n = (n | n<<8) & 0x00ff00ff00ff00ff
	return toDigits(n>>4&0x000f000f000f000f | n<<8&0x0f000f000f000f00)
}

// toDigits makes eight numbers below 16 into digits.
func toDigits(n uint64) uint64 {
	letters := (n + 6*ones) >> 4 & ones
	return n + '0'*ones + ('a'-'0'-10)*letters
}

// appendDigits appends bytes as hexadecimal digits.
func appendDigits(b, id []byte) []byte {
	for ; len(id) >= 4; id = id[4:] {
		b = binary.LittleEndian.AppendUint64(b, toHex(binary.LittleEndian.Uint32(id)))
	}
	for _, c := range id {
		b = binary.LittleEndian.AppendUint16(b, uint16(toHex(uint32(c))))
	}
	return b
}
