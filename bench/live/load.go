package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// connections bound what is in flight. Each has a share of the rate; one that waits for an answer sends nothing meanwhile, and
// catches up.
const connections = 800

// measure starts a server, offers it so many times its capacity and says what came of it.
func measure(mode string, times float64) (r result, err error) {
	self, err := os.Executable()
	if err != nil {
		return r, err
	}
	cmd := exec.Command(self, "-serve", mode) //nolint:noctx // it ends with its input
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return r, err
	}
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return r, err
	}
	if err := cmd.Start(); err != nil {
		return r, err
	}
	defer func() {
		if closing := in.Close(); err == nil {
			err = closing
		}
		if ended := cmd.Wait(); err == nil {
			err = ended
		}
	}()
	out := bufio.NewReader(pipe)
	address, err := out.ReadString('\n')
	if err != nil {
		return r, err
	}
	used := func() (time.Duration, error) {
		if _, err := io.WriteString(in, "\n"); err != nil {
			return 0, err
		}
		line, err := out.ReadString('\n')
		if err != nil {
			return 0, err
		}
		n, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
		return time.Duration(n), err
	}
	l := &load{address: strings.TrimSpace(address), every: time.Duration(float64(connections) * float64(time.Second) / (times * float64(capacity)))}
	before, err := used()
	if err != nil {
		return r, err
	}
	l.run()
	after, err := used()
	if err != nil {
		return r, err
	}
	r = l.result
	r.mode, r.times, r.cpu = mode, times, after-before
	return r, l.err
}

// load is requests that come evenly over many connections.
type load struct {
	address string
	every   time.Duration // between two requests of a connection

	mu     sync.Mutex
	result result
	took   []time.Duration
	err    error
}

func (l *load) run() {
	began := time.Now()
	var wg sync.WaitGroup
	for i := range connections {
		wg.Go(func() {
			if err := l.connection(began, l.every*time.Duration(i)/connections); err != nil {
				l.mu.Lock()
				l.err = err
				l.mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.Sort(l.took)
	if n := len(l.took); n > 0 {
		l.result.p99 = l.took[n*99/100]
	}
}

// connection sends requests over one connection, whose answers count from when they were due.
func (l *load) connection(began time.Time, first time.Duration) error {
	c, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(context.Background(), "tcp", l.address)
	if err != nil {
		return err
	}
	defer c.Close()
	in := bufio.NewReader(c)
	for due := first; due < lasts; due += l.every {
		time.Sleep(time.Until(began.Add(due)))
		sent := time.Now()
		if late := sent.Sub(began.Add(lasts)); late > 0 {
			return nil
		}
		if err := c.SetDeadline(sent.Add(20 * time.Second)); err != nil {
			return err
		}
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: live\r\n\r\n"); err != nil {
			return err
		}
		answer, err := http.ReadResponse(in, nil)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, answer.Body)
		if closing := answer.Body.Close(); err == nil {
			err = closing
		}
		if err != nil {
			return err
		}
		if err := l.note(answer.StatusCode, time.Since(sent)); err != nil {
			return err
		}
	}
	return nil
}

func (l *load) note(status int, took time.Duration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.result.offered++
	switch status {
	case http.StatusOK:
		l.result.served++
		l.took = append(l.took, took)
		if took <= deadline {
			l.result.good++
		}
	case http.StatusServiceUnavailable:
	default:
		return fmt.Errorf("an answer with status %d", status)
	}
	return nil
}
