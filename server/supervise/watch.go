package supervise

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/event"
	"github.com/gabion-io/gabion/server/store"
)

// watch asks a running child how it is.
type watch struct {
	child    *Child
	process  *process
	instance string
	began    gabion.Instant
	answered bool           // at least once
	up       gabion.Instant // since when it is up; 0: it is not
	failures int            // checks in a row
	tries    int            // starts before this one that did not last
	told     bool           // that it is up
}

// errStranger says that another process has the socket.
var errStranger = errors.New("another process answers on the socket")

// startEvery is how often a new child is asked until it is up.
const startEvery = 20 * time.Millisecond

// until watches the child until it is gone, hangs, or ctx ends. It returns what is wrong with it.
func (w *watch) until(ctx context.Context) string {
	for {
		if why := w.check(ctx); why != "" {
			return why
		}
		every := w.child.config.CheckEvery
		if w.up == 0 {
			every = min(every, startEvery)
		}
		select {
		case <-w.process.ended:
			return w.process.why
		case <-time.After(every):
		case <-w.child.again:
			return newSettings
		case <-ctx.Done():
			return ""
		}
	}
}

// check asks once. It returns why the child must be killed, or has ended.
func (w *watch) check(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, w.child.config.CheckTimeout)
	defer cancel()
	go func() { // it ends with this check
		select {
		case <-w.process.ended:
			cancel()
		case <-ctx.Done():
		}
	}()
	status, err := w.child.ask(ctx, w.instance)
	select {
	case <-w.process.ended:
		return w.process.why
	default:
	}
	if err == nil {
		w.well(status)
		return ""
	}
	return w.ill(err)
}

// well takes an answer.
func (w *watch) well(s store.Status) {
	w.answered, w.failures = true, 0
	c := w.child
	c.mu.Lock()
	before := c.status.Disk
	c.status.Disk, c.status.Refused = s.Disk, s.Refused
	c.mu.Unlock()
	if s.Disk != before && (before != "" || s.Disk != "ok") {
		c.config.Events.Add(event.Event{Kind: event.KindStore, Key: "disk", From: before, To: s.Disk, Reason: s.DiskReason})
	}
	if s.Ready && w.up == 0 {
		w.up = gabion.Now()
		c.set(Up, func(*Status) {})
	}
	if w.up > 0 && !w.told && (telling(w.tries) || gabion.Now()-w.up >= c.config.Well) {
		w.told = true
		c.tell(Up, fmt.Sprintf("ready after %v", (w.up-w.began).Round(time.Millisecond)))
	}
}

// ill takes a check without an answer.
func (w *watch) ill(err error) string {
	c := &w.child.config
	if !w.answered {
		if gabion.Now()-w.began < c.AnswerWithin {
			return ""
		}
		return fmt.Sprintf("it did not answer within %v: %v", c.AnswerWithin, err)
	}
	if w.failures++; w.failures < c.Failures {
		return ""
	}
	return fmt.Sprintf("it hangs: %d checks in a row failed, the last one with: %v", w.failures, err)
}

// ask asks the child for its status.
func (c *Child) ask(ctx context.Context, instance string) (s store.Status, err error) {
	if err := c.Get(ctx, store.StatusPath, &s); err != nil {
		return s, err
	}
	if s.Instance != instance {
		return s, errStranger
	}
	return s, nil
}

// maxAnswer bounds what the child may answer to this process, in bytes.
const maxAnswer = 1 << 20

// Get asks the child for something, until ctx ends, and reads its answer, which is JSON, into v.
func (c *Child) Get(ctx context.Context, path string, v any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://store"+path, nil)
	if err != nil {
		return err
	}
	answer, err := c.socket.RoundTrip(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers with %s", answer.Status)
	}
	return json.NewDecoder(io.LimitReader(answer.Body, maxAnswer)).Decode(v)
}

// connectWithin is how long it may take to connect, where only a process that does nothing at all is slow.
const connectWithin = time.Second

// transport goes to the socket, whatever the address says.
func transport(path string) *http.Transport {
	dialer := net.Dialer{Timeout: connectWithin}
	return &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", path)
		},
		ResponseHeaderTimeout: 2 * time.Minute, // a query may take long
		MaxIdleConnsPerHost:   16, IdleConnTimeout: time.Minute, DisableCompression: true,
	}
}
