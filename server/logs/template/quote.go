package template

import (
	"bytes"
	"strings"
)

// quote handles a quote. It is false when the quote is an ordinary character.
func (m *mask) quote(q byte) bool {
	if m.at == m.plain || isWord(m.peek(-1)) {
		return false
	}
	end := m.closing(q)
	if end < 0 {
		return false
	}
	if m.key(m.text[m.at+1:end], end) || m.peek(-1) == '=' && textual(m.lastWord(1)) {
		m.plain = end
		return false
	}
	m.out = append(m.out, q)
	m.at = end + 1
	m.out = append(m.out, wild...)
	m.out = append(m.out, q)
	return true
}

// closing finds the quote that belongs to the one here; -1: there is none.
func (m *mask) closing(q byte) int {
	which := strings.IndexByte("\"'`", q)
	if m.lonely[which] {
		return -1
	}
	for i := m.at + 1; i < len(m.text); i++ {
		switch m.text[i] {
		case '\\':
			if q != '`' {
				i++
			}
		case q:
			if q != '\'' || i+1 == len(m.text) || !isWord(m.text[i+1]) { // isn't is no end
				return i
			}
		}
	}
	m.lonely[which] = true
	return -1
}

// key says whether a quoted text is the key of a JSON object.
func (m *mask) key(s string, end int) bool {
	if end+1 >= len(m.text) || m.text[end+1] != ':' || s == "" || len(s) > 64 {
		return false
	}
	before := bytes.TrimRight(m.out[m.start:], " ")
	if n := len(before); n == 0 || before[n-1] != '{' && before[n-1] != ',' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isWord(c) && c != '.' && c != '-' {
			return false
		}
	}
	return true
}

// lastWord is the word that ends so many bytes before the end of the template.
func (m *mask) lastWord(back int) []byte {
	end := len(m.out) - back
	from := end
	for from > m.start && isWord(m.out[from-1]) {
		from--
	}
	return m.out[max(from, m.start):max(end, m.start)]
}

// value handles key=value. It is false when that is not what it is.
func (m *mask) value() bool {
	next := m.peek(1)
	if !isWord(m.peek(-1)) || !isWord(next) && next != '/' && next != '-' && next != '<' && next != '+' || textual(m.lastWord(0)) {
		return false
	}
	i := m.at + 1
	for i < len(m.text) && class[m.text[i]]&space == 0 && strings.IndexByte(",;)]}|\"'`", m.text[i]) < 0 {
		i++
	}
	m.out = append(m.out, '=')
	m.at = i
	m.out = append(m.out, wild...)
	return true
}

// parameters handles what follows the question mark of an address.
func (m *mask) parameters() bool {
	if before := m.peek(-1); !isWord(before) && before != '/' && before != '>' || !isWord(m.peek(1)) {
		return false
	}
	i := m.at + 1
	for i < len(m.text) && class[m.text[i]]&space == 0 && strings.IndexByte(",;)]}|\"'`", m.text[i]) < 0 {
		i++
	}
	m.out = append(m.out, '?')
	m.out = append(m.out, wild...)
	m.at = i
	return true
}

// address handles an address of mail, and everything else that looks like one. What stands before the @ is in the template
// already.
func (m *mask) address() bool {
	if !isWord(m.peek(-1)) && m.peek(-1) != '>' || !isWord(m.peek(1)) && m.peek(1) != '<' {
		return false
	}
	from := len(m.out)
	for from > m.start && (isWord(m.out[from-1]) || strings.IndexByte(".+-<*>", m.out[from-1]) >= 0) {
		from--
	}
	i := m.at + 1
	for i < len(m.text) && (isWord(m.text[i]) || strings.IndexByte(".-<*>", m.text[i]) >= 0 && i+1 < len(m.text) && (isWord(m.text[i+1]) || m.text[i] != '.')) {
		i++
	}
	m.out = m.out[:from]
	m.at = i
	m.vary()
	return true
}
