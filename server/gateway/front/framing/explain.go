package framing

import (
	"bytes"
	"fmt"
	"net"
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
	if c.limits.Refused != nil {
		c.limits.Refused(c.Conn, problem.Type)
	}
	if err := Refuse(c.Conn, *problem); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Refuse answers with a problem on a connection that no request could be read from. It waits a little for the client to
// take it; the caller closes the connection.
func Refuse(conn net.Conn, problem exchange.Problem) error {
	body := problem.AppendJSON(nil, "")
	var answer bytes.Buffer
	status := exchange.StatusOf(problem.Type)
	fmt.Fprintf(&answer, "HTTP/1.1 %d %s\r\nContent-Type: application/problem+json\r\nCache-Control: no-store\r\n", status, http.StatusText(status))
	fmt.Fprintf(&answer, "Date: %s\r\nConnection: close\r\nContent-Length: %d\r\n\r\n", time.Now().UTC().Format(http.TimeFormat), len(body))
	answer.Write(body)
	if err := conn.SetDeadline(time.Now().Add(lingerTime)); err != nil {
		return err
	}
	if _, err := conn.Write(answer.Bytes()); err != nil {
		return err
	}
	linger(conn)
	return nil
}

func linger(conn net.Conn) {
	if half, ok := conn.(interface{ CloseWrite() error }); !ok || half.CloseWrite() != nil {
		return
	}
	buffer := make([]byte, 4<<10)
	for got := 0; got < lingerBytes; {
		n, err := conn.Read(buffer)
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
