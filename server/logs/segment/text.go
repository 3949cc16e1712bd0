package segment

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// Texts in Parquet are UTF-8. Bytes that are not become characters of this private range, 0x80 characters from U+10FF80 on, which in UTF-8 all
// begin with the byte 0xf4.
const (
	rawBase = 0x10ff00
	rawLow  = rawBase + 0x80
	rawHigh = rawBase + 0xff
	rawLead = 0xf4
)

// appendText appends s as valid UTF-8, so that readText gives s again.
func appendText(b []byte, s string) []byte {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 || r >= rawLow {
			for ; n > 0; n-- {
				b = utf8.AppendRune(b, rawBase+rune(s[i]))
				i++
			}
			continue
		}
		b = append(b, s[i:i+n]...)
		i += n
	}
	return b
}

// plainText reports whether a text can be written as it is.
func plainText(s string) bool {
	return ascii(bytesOf(s)) || utf8.ValidString(s) && strings.IndexByte(s, rawLead) < 0
}

// ascii reports whether no byte has its highest bit.
func ascii(b []byte) bool {
	all := uint64(0)
	for len(b) >= 8 {
		all |= binary.LittleEndian.Uint64(b)
		b = b[8:]
	}
	for _, c := range b {
		all |= uint64(c)
	}
	return all&(0x80*ones) == 0
}

// bytesOf gives the bytes of a text without copying them. Nobody may change them.
func bytesOf(s string) []byte {
	return unsafe.Slice(unsafe.StringData(s), len(s)) //nolint:gosec // see above
}

// text makes a text fit to be written.
func text(s string) string {
	if plainText(s) {
		return s
	}
	return string(appendText(nil, s))
}

// readText gives what appendText was given.
func readText(s string) string {
	i := strings.IndexByte(s, rawLead)
	if i < 0 {
		return s
	}
	b := append([]byte(nil), s[:i]...)
	for _, r := range s[i:] {
		if r >= rawLow && r <= rawHigh {
			b = append(b, byte(r-rawBase))
		} else {
			b = utf8.AppendRune(b, r)
		}
	}
	return string(b)
}
