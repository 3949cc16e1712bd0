package harness

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// Raw is a connection on which a test says what it likes.
type Raw struct {
	net.Conn
	in *bufio.Reader
}

// Dial opens a connection to the gateway. All that happens on it must be over within that time.
func (g *Gateway) Dial(t testing.TB, within time.Duration) *Raw {
	t.Helper()
	conn, err := net.DialTimeout("tcp", g.Address, within) //nolint:noctx // it has a bound
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	return &Raw{conn, bufio.NewReader(conn)}
}

// Answer is a whole answer.
type Answer struct {
	Status  int
	Header  http.Header
	Trailer http.Header
	Body    string
	// Close is set when the connection closes after it.
	Close bool
}

// Ask sends a text as it is and reads the answer to a request with that method.
func (r *Raw) Ask(method, text string) (Answer, error) {
	// A server may answer and close before it has read everything: what counts is its answer.
	_, written := io.WriteString(r, text)
	answer, err := r.Read(method)
	if err != nil && written != nil {
		err = written
	}
	return answer, err
}

// Read reads the next answer.
func (r *Raw) Read(method string) (Answer, error) {
	resp, err := http.ReadResponse(r.in, &http.Request{Method: method})
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return Answer{Status: resp.StatusCode, Header: resp.Header, Trailer: resp.Trailer, Body: string(body), Close: resp.Close}, err
}

// Closed says whether the other side has closed the connection, or does so before the connection's time is up.
func (r *Raw) Closed() bool {
	_, err := r.in.ReadByte()
	timeout, ok := err.(net.Error) //nolint:errorlint // a connection's own error is not wrapped
	return err != nil && (!ok || !timeout.Timeout())
}
