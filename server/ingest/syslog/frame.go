package syslog

import (
	"bufio"
	"errors"
	"io"
)

// errFrame says that a sender does not count its octets as the protocol says.
var errFrame = errors.New("the number of octets is not followed by a space, or too large")

// maxFrame is how many octets a message may be said to have; more is no message, but another protocol.
const maxFrame = 16 << 20

// framer cuts a stream into messages (RFC 6587). Each message may be framed its own way: one that begins with a digit counts
// its octets, every other one ends with a line feed or a zero byte.
type framer struct {
	in  *bufio.Reader
	max int
}

// next returns a message, at most max bytes of it, and whether it was cut. A last one without an end comes together with
// the error.
func (f *framer) next() (text string, cut bool, err error) {
	first, err := f.in.ReadByte()
	if err != nil {
		return "", false, err
	}
	if '1' <= first && first <= '9' {
		return f.counted(int(first - '0'))
	}
	if err := f.in.UnreadByte(); err != nil {
		return "", false, err
	}
	return f.line()
}

func (f *framer) counted(n int) (text string, cut bool, err error) {
	for {
		c, err := f.in.ReadByte()
		switch {
		case err != nil:
			return "", false, err
		case c == ' ':
			return f.octets(n)
		case c < '0' || c > '9' || n > maxFrame:
			return "", false, errFrame
		}
		n = 10*n + int(c-'0')
	}
}

// octets reads n bytes. Half a message is dropped: its sender will say it again, or has died.
func (f *framer) octets(n int) (string, bool, error) {
	if n > maxFrame {
		return "", false, errFrame
	}
	b := make([]byte, min(n, f.max))
	if _, err := io.ReadFull(f.in, b); err != nil {
		return "", false, err
	}
	if _, err := f.in.Discard(n - len(b)); err != nil {
		return "", false, err
	}
	return string(b), n > len(b), nil
}

func (f *framer) line() (string, bool, error) {
	var b []byte
	cut := false
	for {
		c, err := f.in.ReadByte()
		if err != nil || c == '\n' || c == 0 {
			return string(b), cut, err
		}
		if len(b) == f.max {
			cut = true
			continue
		}
		b = append(b, c)
	}
}
