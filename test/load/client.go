package load

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/gabion-io/gabion/test/payload"
)

// client keeps connections alive and sends each request exactly once.
type client struct {
	load Load
	mu   sync.Mutex
	idle map[string][]*conn // by address; the one used last is used next
}

type conn struct {
	net.Conn
	in *bufio.Reader
}

const (
	// maxIdle bounds the idle connections to each address, so that those of one bad moment do not stay.
	maxIdle = 32
	// orderBody is the body of every POST.
	orderBody = "product=7&quantity=2&comment=please+do+this+once+and+not+twice"
)

// request sends one request and notes what came back.
func (c *client) request(i int, due time.Time, s *Sample) {
	deadline := due.Add(c.load.Deadline)
	c.exchange(c.load.Target(), c.head(i, s), deadline, s)
	s.Took = time.Since(due)
	if s.Result == Whole && s.Took > c.load.Deadline {
		s.Result = Late
	}
}

func (c *client) head(i int, s *Sample) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: load.example\r\n%s: %s\r\n%s: %d\r\n", s.Method, c.load.Path, payload.ID, s.ID, payload.Size, c.load.Size)
	if c.load.Work > 0 {
		fmt.Fprintf(&b, "%s: %s\r\n", payload.Work, c.load.Work)
	}
	if c.load.User != nil {
		fmt.Fprintf(&b, "X-User: %s\r\n", c.load.User(i))
	}
	if s.Method == http.MethodPost {
		fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(orderBody), orderBody)
	} else {
		b.WriteString("\r\n")
	}
	return b.String()
}

func (c *client) exchange(address, request string, deadline time.Time, s *Sample) {
	conn, err := c.take(address, deadline)
	if err != nil {
		s.fail(Unreachable, err)
		return
	}
	if reusable := conn.exchange(request, deadline, c.load.Size, s); reusable {
		c.give(address, conn)
	} else {
		conn.Close()
	}
}

// exchange sends the request and reads its answer. It says whether the connection can be used again.
func (c *conn) exchange(request string, deadline time.Time, size int, s *Sample) bool {
	if err := c.SetDeadline(deadline); err != nil {
		s.fail(Broken, err)
		return false
	}
	if _, err := io.WriteString(c, request); err != nil {
		s.fail(Broken, err)
		return false
	}
	resp, err := http.ReadResponse(c.in, &http.Request{Method: s.Method})
	if err != nil {
		s.fail(Broken, err)
		return false
	}
	defer resp.Body.Close()
	s.Status = resp.StatusCode
	s.Backend = resp.Header.Get(payload.Backend)
	s.RetryAfter = resp.Header.Get("Retry-After")
	s.Header = resp.Header
	body, err := io.ReadAll(io.LimitReader(resp.Body, int64(size)+1<<20))
	if err != nil {
		s.fail(Broken, err)
		return false
	}
	s.Result = Whole
	if s.Backend == "" {
		s.Problem = problem(body)
	}
	if s.Status == http.StatusOK && s.Backend != "" {
		if err := payload.Check(s.ID, size, body); err != nil {
			s.fail(Wrong, err)
		}
	}
	return !resp.Close && c.in.Buffered() == 0
}

// problem is the last part of the type of an answer in application/problem+json, "" when it is none.
func problem(body []byte) string {
	var p struct {
		Type string `json:"type"`
	}
	if json.Unmarshal(body, &p) != nil {
		return ""
	}
	return p.Type[strings.LastIndexByte(p.Type, ':')+1:]
}

// fail notes a failure. A time that is up is a kind of its own, wherever it was noticed.
func (s *Sample) fail(result Result, err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		result = Late
	}
	s.Result, s.Err = result, err
}

func (c *client) take(address string, deadline time.Time) (*conn, error) {
	c.mu.Lock()
	if idle := c.idle[address]; len(idle) > 0 {
		last := idle[len(idle)-1]
		c.idle[address] = idle[:len(idle)-1]
		c.mu.Unlock()
		return last, nil
	}
	c.mu.Unlock()
	dialed, err := (&net.Dialer{Deadline: deadline}).Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return &conn{dialed, bufio.NewReader(dialed)}, nil
}

func (c *client) give(address string, used *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.idle[address]) == maxIdle {
		used.Close()
		return
	}
	c.idle[address] = append(c.idle[address], used)
}

func (c *client) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conns := range c.idle {
		for _, conn := range conns {
			conn.Close()
		}
	}
}
