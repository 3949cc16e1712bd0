package backend

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gabion-io/gabion/test/payload"
)

// Role is the role of a test binary that is a backend, see process.Self.
const Role = "backend"

// start is what the process is told first; behaviours follow, one a line.
type start struct {
	Name, Address, Journal string
	Behaviour              Behaviour
}

// Main is the backend's process. It ends when its parent does: with the end of standard input.
func Main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "backend:", err)
		os.Exit(1)
	}
}

func run(commands io.Reader, acknowledged io.Writer) error {
	decoder := json.NewDecoder(commands)
	var first start
	if err := decoder.Decode(&first); err != nil {
		return err
	}
	journal, err := os.OpenFile(first.Journal, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", first.Address) //nolint:noctx // it returns at once
	if err != nil {
		return err
	}
	s := &service{name: first.Name, journal: journal, changed: make(chan struct{})}
	s.change(first.Behaviour)
	server := &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	go func() {
		fmt.Fprintln(os.Stderr, "backend:", server.Serve(listener))
	}()
	for {
		fmt.Fprintln(acknowledged, "ok")
		var next Behaviour
		if err := decoder.Decode(&next); err != nil {
			return nil //nolint:nilerr // The parent has gone, and this was all.
		}
		s.change(next)
	}
}

// service answers as it was told.
type service struct {
	name    string
	journal io.Writer

	mu        sync.Mutex
	behaviour Behaviour
	changed   chan struct{} // closed with the next change
	workers   chan struct{} // holds one for each request at work; nil: there is no bound
	second    int64         // for MaxRate: the present second and how many requests it has seen
	seen      int
}

func (s *service) change(next Behaviour) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if next.Workers != s.behaviour.Workers {
		s.workers = nil
		if next.Workers > 0 {
			s.workers = make(chan struct{}, next.Workers)
		}
	}
	s.behaviour = next
	close(s.changed)
	s.changed = make(chan struct{})
}

// now is how to behave for a request that comes now, a channel that closes with the next change, and who works.
func (s *service) now() (Behaviour, <-chan struct{}, chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.behaviour
	if second := time.Now().Unix(); second != s.second {
		s.second, s.seen = second, 0
	}
	s.seen++
	if b.MaxRate > 0 && s.seen > b.MaxRate {
		b.Mode, b.Status, b.Work = Status, http.StatusServiceUnavailable, 0
	}
	return b, s.changed, s.workers
}

// ServeHTTP implements http.Handler.
func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set(payload.Backend, s.name)
	if r.URL.Path == "/healthz" {
		s.mu.Lock()
		status := s.behaviour.Health
		s.mu.Unlock()
		s.note(Health, r)
		w.WriteHeader(max(status, http.StatusOK))
		return
	}
	b, changed, workers := s.now()
	s.note(Arrival, r)
	if workers != nil {
		workers <- struct{}{} // whether the client still waits or not, as in most servers
		defer func() { <-workers }()
	}
	if b.HangPath != "" && b.HangPath == r.URL.Path {
		b.Mode = Hang
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		panic(http.ErrAbortHandler) // Half a request is none.
	}
	switch b.Mode {
	case Hang:
		select {
		case <-changed:
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler)
	case Garbage:
		s.raw(w, "\x16\x03\x01 this is not HTTP \x00\r\n\r\n")
		return
	case Raw:
		s.raw(w, b.Raw)
		return
	case Status:
		work(r, b.Work)
		w.WriteHeader(b.Status)
		return
	}
	s.execute(w, r, b)
}

// execute does what the request asks for.
func (s *service) execute(w http.ResponseWriter, r *http.Request, b Behaviour) {
	if asked, err := time.ParseDuration(r.Header.Get(payload.Work)); err == nil {
		b.Work = asked
	}
	size, err := strconv.Atoi(r.Header.Get(payload.Size))
	if err != nil {
		size = 0
	}
	body := payload.Make(r.Header.Get(payload.ID), size)
	if b.Mode != Drip {
		work(r, b.Work)
	}
	s.note(Execution, r)
	switch b.Mode {
	case Reset, Cut:
		s.half(w, body, b.Mode == Reset)
		return
	case Drip:
		drip(w, r, body, b.Work)
		return
	}
	w.Header().Set("Content-Length", strconv.Itoa(size))
	// An error means that the client went away.
	_, _ = w.Write(body)
}

// work takes d, or less when the client goes away. The request is executed all the same, as most services do.
func work(r *http.Request, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	}
}

func drip(w http.ResponseWriter, r *http.Request, body []byte, d time.Duration) {
	const pieces = 10
	for i := range pieces {
		// An error means that the client went away, which the next piece finds out.
		_, _ = w.Write(body[i*len(body)/pieces : (i+1)*len(body)/pieces])
		_ = http.NewResponseController(w).Flush()
		work(r, d/pieces)
	}
}

// half sends half an answer and ends the connection.
func (s *service) half(w http.ResponseWriter, body []byte, reset bool) {
	var head strings.Builder
	fmt.Fprintf(&head, "HTTP/1.1 200 OK\r\n%s: %s\r\nContent-Length: %d\r\n\r\n", payload.Backend, s.name, len(body))
	hijack(w, func(conn net.Conn, out *bufio.Writer) {
		// The connection ends anyhow: errors change nothing.
		_, _ = out.WriteString(head.String())
		_, _ = out.Write(body[:len(body)/2])
		_ = out.Flush()
		if tcp, ok := conn.(*net.TCPConn); ok && reset {
			_ = tcp.SetLinger(0)
		}
	})
}

// raw sends bytes and ends the connection.
func (s *service) raw(w http.ResponseWriter, text string) {
	hijack(w, func(_ net.Conn, out *bufio.Writer) {
		// The connection ends anyhow: errors change nothing.
		_, _ = out.WriteString(text)
		_ = out.Flush()
	})
}

func hijack(w http.ResponseWriter, speak func(net.Conn, *bufio.Writer)) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // The connection has broken already.
	}
	defer conn.Close()
	speak(conn, buffered.Writer)
}
