package framing

import (
	"bytes"
	"fmt"
	"net/http"
	"time"

	"github.com/gabion-io/gabion/server/gateway/exchange"
)

// After an error the rest of what the client sends is read for a while: closing at once would make its side throw the
// answer away unread.
const (
	lingerTime  = 500 * time.Millisecond
	lingerBytes = 256 << 10
)

// explain sends a problem in place of the error that net/http would send.
func (c *Conn) explain(p []byte) (int, error) {
	problem := c.refused.Load()
	if problem == nil {
		problem = meaning(p)
	}
	body := problem.AppendJSON(nil, "")
	var answer bytes.Buffer
	status := exchange.StatusOf(problem.Type)
	fmt.Fprintf(&answer, "HTTP/1.1 %d %s\r\nContent-Type: application/problem+json\r\nCache-Control: no-store\r\n", status, http.StatusText(status))
	fmt.Fprintf(&answer, "Date: %s\r\nConnection: close\r\nContent-Length: %d\r\n\r\n", time.Now().UTC().Format(http.TimeFormat), len(body))
	answer.Write(body)
	if err := c.Conn.SetDeadline(time.Now().Add(lingerTime)); err != nil {
		return 0, err
	}
	if _, err := c.Conn.Write(answer.Bytes()); err != nil {
		return 0, err
	}
	c.linger()
	return len(p), nil
}

func (c *Conn) linger() {
	if c.CloseWrite() != nil {
		return
	}
	buffer := make([]byte, 4<<10)
	for got := 0; got < lingerBytes; {
		n, err := c.Conn.Read(buffer)
		if err != nil {
			return
		}
		got += n
	}
}

// meaning is what an error of net/http is about.
func meaning(p []byte) *exchange.Problem {
	const before = "HTTP/1.1 "
	if len(p) < len(before)+3 {
		return &exchange.Problem{Type: exchange.BadRequest}
	}
	switch string(p[len(before) : len(before)+3]) {
	case "417":
		return &exchange.Problem{Type: exchange.ExpectationFailed, Detail: "Only 100-continue can be expected."}
	case "431":
		return &exchange.Problem{Type: exchange.HeaderTooLarge}
	case "501":
		return &exchange.Problem{Type: exchange.BadRequest, Detail: otherCoding}
	case "505":
		return &exchange.Problem{Type: exchange.Version}
	}
	return &exchange.Problem{Type: exchange.BadRequest, Detail: "The request is malformed."}
}
