package entry

import "iter"

// MaxWord is the longest word in bytes that [Words] gives; longer ones are cut there, so an index stays small.
const MaxWord = 64

// Words gives the words of a text, ASCII letters in lower case: the longest runs of letters, digits and bytes beyond ASCII. An index of words and
// those who ask it must agree on what a word is, so both use this.
func Words(s string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := 0; i < len(s); {
			if !WordByte(s[i]) {
				i++
				continue
			}
			start := i
			for i < len(s) && WordByte(s[i]) {
				i++
			}
			if !yield(fold(s[start:min(i, start+MaxWord)])) {
				return
			}
		}
	}
}

// WordByte reports whether a byte belongs to a word.
func WordByte(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || c >= 0x80
}

// fold puts ASCII letters into lower case; a word that has none in upper case is not copied.
func fold(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if 'A' <= b[i] && b[i] <= 'Z' {
					b[i] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}
