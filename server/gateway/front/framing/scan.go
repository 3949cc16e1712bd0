package framing

import (
	"bytes"

	"github.com/gabion-io/gabion/server/gateway/exchange"
)

// part is where in a message the next byte belongs.
type part uint8

const (
	firstLine part = iota
	fieldLine
	fixedBody  // Content-Length says how much
	chunkLine  // the size of a chunk
	chunkBody  // what is in it
	chunkBreak // the end of line after it
	trailerLine
	otherProtocol // no HTTP/1 from here on
	broken        // where the next message begins is not known
)

// Why a message is refused.
const (
	noRequest    = "The first line is no request."
	lineEnd      = "A line ends without a carriage return."
	folded       = "A header field is folded over several lines."
	twoLengths   = "The request has more than one Content-Length."
	noLength     = "Content-Length is not a number."
	otherCoding  = "Transfer-Encoding is not chunked."
	bothLengths  = "The request has both Content-Length and Transfer-Encoding."
	oldCoding    = "Transfer-Encoding does not exist in HTTP/1.0."
	otherHost    = "The request target and Host name different hosts."
	noHTTP1      = "HTTP/2 is not spoken in this way here."
	otherVersion = "HTTP/1.0, HTTP/1.1 and HTTP/2 are spoken here."
)

// digits is how many digits a Content-Length may have: as many as an int64 always holds.
const digits = 18

// scanner finds the borders of the messages in a stream of bytes, and what makes them doubtful. It does not judge
// what net/http judges as strictly: the syntax of names, values and request targets.
type scanner struct {
	maxHead int64
	h2c     bool

	part   part
	line   []byte // the beginning of a line that is spread over several reads
	head   int64  // bytes of the head, or of the trailers, until now
	left   int64  // bytes that are still to come of a body of known length or of a chunk
	length int64  // Content-Length; -1: none
	coded  bool   // Transfer-Encoding is there
	old    bool   // HTTP/1.0
	// authority is what an absolute request target names, and host is what Host does; both only for such targets.
	absolute        bool
	authority, host []byte
}

// begun says whether a part of a head has come.
func (s *scanner) begun() bool {
	return s.part == fieldLine || s.part == firstLine && s.head > 0
}

// inBody says whether more bytes of a body must come.
func (s *scanner) inBody() bool { return s.part >= fixedBody && s.part <= trailerLine }

// scan looks at the next bytes. n is how many of them may be seen now: those of the present message, and end says that
// it ends there. Of what is refused with a problem, or is broken, the line at fault and what follows it is never seen.
func (s *scanner) scan(b []byte) (n int, end bool, problem *exchange.Problem) {
	for n < len(b) && !end && s.part != broken {
		switch s.part {
		case otherProtocol:
			return len(b), false, nil
		case fixedBody, chunkBody:
			n += s.skip(len(b) - n)
			end = s.part == firstLine
		default:
			at := bytes.IndexByte(b[n:], '\n')
			if at < 0 {
				return s.keep(b, n)
			}
			end, problem = s.whole(b[n : n+at+1])
			if problem != nil || s.part == broken {
				return n, false, problem
			}
			n += at + 1
		}
	}
	return n, end, nil
}

// skip passes over the bytes of a body.
func (s *scanner) skip(have int) int {
	n := min(s.left, int64(have))
	if s.left -= n; s.left == 0 {
		if s.part == chunkBody {
			s.part = chunkBreak
		} else {
			s.begin()
		}
	}
	return int(n)
}

// begin gets ready for the next message.
func (s *scanner) begin() {
	*s = scanner{
		maxHead: s.maxHead, h2c: s.h2c, line: s.line[:0], length: -1,
		authority: s.authority[:0], host: s.host[:0],
	}
}

// keep keeps the beginning of a line, b[n:].
func (s *scanner) keep(b []byte, n int) (int, bool, *exchange.Problem) {
	s.head += int64(len(b) - n)
	if problem := s.tooLarge(); problem != nil || s.part == broken {
		return n, false, problem
	}
	s.line = append(s.line, b[n:]...)
	return len(b), false, nil
}

// tooLarge bounds heads, trailers and the lines between chunks.
func (s *scanner) tooLarge() *exchange.Problem {
	switch {
	case s.head <= s.maxHead:
		return nil
	case s.part == firstLine || s.part == fieldLine:
		return &exchange.Problem{Type: exchange.HeaderTooLarge, Detail: "The head of the request is larger than this gateway accepts."}
	}
	s.part = broken
	return nil
}

// whole takes the end of a line, or all of it.
func (s *scanner) whole(b []byte) (end bool, problem *exchange.Problem) {
	s.head += int64(len(b))
	if problem := s.tooLarge(); problem != nil || s.part == broken {
		return false, problem
	}
	line := b
	if len(s.line) > 0 {
		line = append(s.line, b...)
		s.line = line[:0]
	}
	if len(line) < 2 || line[len(line)-2] != '\r' {
		return s.doubt(lineEnd)
	}
	line = line[:len(line)-2]
	switch s.part {
	case firstLine:
		return s.first(line)
	case fieldLine:
		return s.field(line)
	case chunkLine:
		s.chunk(line)
	case chunkBreak:
		s.part = chunkLine
		if len(line) > 0 {
			s.part = broken
		}
	case trailerLine:
		if len(line) == 0 {
			s.begin()
			return true, nil
		}
	}
	return false, nil
}

// doubt refuses a head, and ends a body.
func (s *scanner) doubt(why string) (end bool, problem *exchange.Problem) {
	if s.part != firstLine && s.part != fieldLine {
		s.part = broken
		return false, nil
	}
	return false, &exchange.Problem{Type: exchange.BadRequest, Detail: why}
}

// chunk takes the line before a chunk: its size in hexadecimal digits, then perhaps extensions, which mean nothing.
func (s *scanner) chunk(line []byte) {
	size, _, _ := bytes.Cut(line, []byte{';'})
	size = bytes.TrimRight(size, " \t")
	if len(size) == 0 || len(size) > 15 {
		s.part = broken
		return
	}
	s.left, s.head = 0, 0
	for _, c := range size {
		digit := hex(c)
		if digit < 0 {
			s.part = broken
			return
		}
		s.left = s.left<<4 | int64(digit)
	}
	s.part = chunkBody
	if s.left == 0 {
		s.part = trailerLine
	}
}

func hex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}
