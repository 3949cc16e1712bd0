package framing

import (
	"bytes"

	"github.com/gabion-io/gabion/server/gateway/exchange"
)

// preface is the first line of HTTP/2 without TLS (RFC 9113 §3.4).
const preface = "PRI * HTTP/2.0"

// first takes a request line. An empty one in its place is for net/http to judge.
func (s *scanner) first(line []byte) (end bool, problem *exchange.Problem) {
	if len(line) == 0 {
		return false, nil
	}
	if string(line) == preface {
		if !s.h2c {
			return false, &exchange.Problem{Type: exchange.Version, Detail: noHTTP1}
		}
		s.part = otherProtocol
		return false, nil
	}
	_, rest, _ := bytes.Cut(line, []byte{' '})
	target, version, _ := bytes.Cut(rest, []byte{' '})
	s.length = -1
	switch {
	case len(version) == 0:
		// net/http would wait for more, in case it becomes the preface.
		return s.doubt(noRequest)
	case string(version) == "HTTP/1.0":
		s.old = true
	case string(version) != "HTTP/1.1" && len(version) == len("HTTP/1.1") && string(version[:5]) == "HTTP/":
		return false, &exchange.Problem{Type: exchange.Version, Detail: otherVersion}
	}
	if len(target) > 0 && target[0] != '/' {
		s.absoluteForm(target)
	}
	s.part = fieldLine
	return false, nil
}

// absoluteForm keeps the authority of a target such as http://host/path.
func (s *scanner) absoluteForm(target []byte) {
	_, after, found := bytes.Cut(target, []byte("://"))
	if !found {
		return
	}
	if border := bytes.IndexAny(after, "/?#"); border >= 0 {
		after = after[:border]
	}
	s.absolute, s.authority = true, append(s.authority[:0], after...)
}

// field takes a line of the head after the first, the empty one included.
func (s *scanner) field(line []byte) (end bool, problem *exchange.Problem) {
	if len(line) == 0 {
		return s.complete()
	}
	switch line[0] {
	case ' ', '\t':
		return s.doubt(folded)
	case 'c', 'C':
		if value, ok := named(line, "content-length"); ok {
			return s.contentLength(value)
		}
	case 't', 'T':
		if value, ok := named(line, "transfer-encoding"); ok {
			if s.coded || !bytes.EqualFold(value, []byte("chunked")) {
				return s.doubt(otherCoding)
			}
			s.coded = true
		}
	case 'h', 'H':
		if value, ok := named(line, "host"); ok && s.absolute {
			s.host = append(s.host[:0], value...)
		}
	}
	return false, nil
}

// named gives the value of a line if it is of that field. The name is in lower case.
func named(line []byte, name string) ([]byte, bool) {
	if len(line) <= len(name) || line[len(name)] != ':' {
		return nil, false
	}
	for i := range len(name) {
		if c := line[i]; c != name[i] && (c < 'A' || c > 'Z' || c|0x20 != name[i]) {
			return nil, false
		}
	}
	return bytes.Trim(line[len(name)+1:], " \t"), true
}

func (s *scanner) contentLength(value []byte) (end bool, problem *exchange.Problem) {
	if s.length >= 0 {
		return s.doubt(twoLengths)
	}
	if len(value) == 0 || len(value) > digits {
		return s.doubt(noLength)
	}
	s.length = 0
	for _, c := range value {
		if c < '0' || c > '9' {
			return s.doubt(noLength)
		}
		s.length = s.length*10 + int64(c-'0')
	}
	return false, nil
}

// complete takes the end of the head and decides what follows.
func (s *scanner) complete() (end bool, problem *exchange.Problem) {
	switch {
	case s.coded && s.old:
		return s.doubt(oldCoding)
	case s.coded && s.length >= 0:
		return s.doubt(bothLengths)
	case s.absolute && !bytes.EqualFold(s.authority, s.host):
		return s.doubt(otherHost)
	case s.coded:
		s.part, s.head = chunkLine, 0
		return false, nil
	case s.length > 0:
		s.part, s.left = fixedBody, s.length
		return false, nil
	}
	s.begin()
	return true, nil
}
