package template

import "bytes"

// wild stands for what varies.
const wild = "<*>"

// maxLook is how much of a message is looked at, in bytes; maxText how long a template may be.
const (
	maxLook = 1 << 10
	maxText = 512
)

// Mask returns the template of a message: what varies from one message of its kind to the next is "<*>". Only the first
// line counts; of a traceback of Python it is the last one.
func Mask(message string) string { return string(appendMask(nil, message)) }

// appendMask appends the template of a message to b. What b had before stays as it is.
func appendMask(b []byte, message string) []byte {
	m := mask{text: kindOf(message), out: b, start: len(b), plain: -1}
	m.run()
	return clip(bytes.TrimRight(m.out, " "), m.start+maxText)
}

// clip cuts b to at most n bytes, between two characters and not within a wild.
func clip(b []byte, n int) []byte {
	if len(b) <= n {
		return b
	}
	for n > 0 && b[n]&0xc0 == 0x80 {
		n--
	}
	b = b[:n]
	for _, part := range []string{"<*", "<"} {
		if bytes.HasSuffix(b, []byte(part)) {
			return b[:n-len(part)]
		}
	}
	return b
}

// The classes of bytes.
const (
	letter uint8 = 1 << iota // and "_" and all beyond ASCII
	digit
	hex   // digits, a to f in both cases
	space // and control characters
)

const word = letter | digit

var class = classes()

func classes() (c [256]uint8) {
	for i := range c {
		b := byte(i)
		switch {
		case b <= ' ' || b == 0x7f:
			c[i] = space
		case '0' <= b && b <= '9':
			c[i] = digit | hex
		case 'a' <= b && b <= 'f', 'A' <= b && b <= 'F':
			c[i] = letter | hex
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', b == '_', b >= 0x80:
			c[i] = letter
		}
	}
	return c
}

// mask is a message on its way to become a template.
type mask struct {
	text   string
	at     int
	out    []byte
	start  int     // of the template in out
	plain  int     // where a quote stands that closes a text which is not masked as a whole; -1: nowhere
	lonely [3]bool // the quotes that no other one closes from here on
}

func (m *mask) run() {
	for m.at < len(m.text) {
		c := m.text[m.at]
		switch {
		case class[c]&word != 0:
			m.word()
		case class[c]&space != 0:
			m.space()
		default:
			m.sign(c)
		}
	}
}

// peek is the byte at a distance; 0 beyond the ends.
func (m *mask) peek(distance int) byte {
	if i := m.at + distance; i >= 0 && i < len(m.text) {
		return m.text[i]
	}
	return 0
}

// isWord says whether a byte belongs to a word.
func isWord(c byte) bool { return class[c]&word != 0 }

// space makes one space of many, and none at the beginning.
func (m *mask) space() {
	for m.at < len(m.text) && class[m.text[m.at]]&space != 0 {
		m.at++
	}
	if len(m.out) > m.start {
		m.out = append(m.out, ' ')
	}
}

// vary writes a wild. Those that only something like a dash or a comma parts become one, so that neither a date nor a list
// has more templates than one.
func (m *mask) vary() {
	b := m.out
	end := len(b)
	if end > m.start && b[end-1] == ' ' {
		end--
	}
	if end > m.start {
		switch b[end-1] {
		case '-', '.', ':', ',':
			if b[end-1] == ',' || end == len(b) {
				end--
			}
		}
	}
	if bytes.HasSuffix(b[m.start:end], []byte(wild)) {
		m.out = b[:end]
		return
	}
	m.out = append(b, wild...)
}

// sign handles everything that is neither a word nor a space.
func (m *mask) sign(c byte) {
	switch c {
	case '"', '\'', '`':
		if m.quote(c) {
			return
		}
	case '=':
		if m.value() {
			return
		}
	case '?':
		if m.parameters() {
			return
		}
	case '@':
		if m.address() {
			return
		}
	case '<':
		if len(m.text)-m.at >= len(wild) && m.text[m.at:m.at+len(wild)] == wild {
			m.at += len(wild)
			m.vary()
			return
		}
	case ':':
		if m.peek(1) == ':' && !isWord(m.peek(-1)) {
			if n := colons(m.text[m.at:]); n > 0 {
				m.at += n
				m.vary()
				return
			}
		}
	case '-', '+', '.': // of a number
		if class[m.peek(1)]&digit != 0 && !isWord(m.peek(-1)) && m.peek(-1) != '>' {
			m.at++
			return
		}
	}
	m.out = append(m.out, c)
	m.at++
}

// word handles a word. It varies when it has a digit, unless it is a term.
func (m *mask) word() {
	from, all, some := m.at, uint8(0xff), uint8(0)
	i := from
	for ; i < len(m.text); i++ {
		k := class[m.text[i]]
		if k&word == 0 {
			if m.text[i] == '-' && m.text[i-1] == '_' && i+1 < len(m.text) && class[m.text[i+1]]&digit != 0 {
				continue // blk_-17
			}
			break
		}
		all &= k
		some |= k
	}
	w := m.text[from:i]
	next := byte(0)
	if i < len(m.text) {
		next = m.text[i]
	}
	switch {
	case all&hex != 0 && next == '-' && uuid(m.text[from:]):
		i = from + uuidLength
	case all&hex != 0 && next == ':' && len(w) <= 4:
		if n := colons(m.text[from:]); n > 0 {
			i = from + n
			break
		}
		fallthrough
	default:
		if !varies(w, some&digit != 0, from > 0 && m.text[from-1] == '-') {
			m.out = append(m.out, w...)
			m.at = i
			return
		}
	}
	m.at = i
	m.vary()
}

// varies decides about a word.
func varies(w string, digits, dash bool) bool {
	switch {
	case len(w) >= 40: // a key or a hash
		return true
	case !digits:
		return dash && len(w) >= 5 && len(w) <= 10 && vowelless(w)
	}
	return !term(w)
}

// vowelless says whether a word has only the letters that Kubernetes makes names of.
func vowelless(w string) bool {
	for i := range len(w) {
		switch c := w[i]; {
		case c < 'b' || c > 'z', c == 'e', c == 'i', c == 'o', c == 'u', c == 'y':
			return false
		}
	}
	return true
}
