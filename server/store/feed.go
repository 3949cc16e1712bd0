package store

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/gabion-io/gabion/server/store/frame"
)

const (
	maxBatch   = 64 << 20 // bytes of a body
	maxSenders = 16       // whose next items are remembered
	readWithin = 10 * time.Second
)

// feed takes a batch of items. Whatever it answers, the field Next says how far it came: what it has taken before, in a
// request whose answer was lost, is not taken again.
func (s *server) feed(w http.ResponseWriter, r *http.Request) {
	s.taking.Lock()
	defer s.taking.Unlock()
	first, err := strconv.ParseUint(r.Header.Get(frame.First), 10, 63)
	if err != nil {
		Problem{Title: "Bad batch", Status: http.StatusBadRequest, Detail: frame.First + " is not a number."}.Write(w)
		return
	}
	if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(readWithin)); err != nil {
		s.log.Warn("a batch of items has no deadline", "error", err)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBatch))
	if err != nil {
		Problem{Title: "Bad batch", Status: http.StatusBadRequest, Detail: "The body cannot be read: " + err.Error()}.Write(w)
		return
	}
	runs, err := split(body)
	if err != nil {
		Problem{Title: "Bad batch", Status: http.StatusBadRequest, Detail: err.Error()}.Write(w)
		return
	}
	next, refused, err := s.takeAll(r, s.sender(r.Header.Get(frame.Sender)), first, runs)
	w.Header().Set(frame.Next, strconv.FormatUint(next, 10))
	w.Header().Set(frame.Refused, strconv.FormatUint(refused, 10))
	if err != nil {
		Problem{Title: "Items not taken", Status: http.StatusServiceUnavailable, Detail: err.Error(), RetryAfter: time.Second}.Write(w)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// run is items of one kind that follow each other.
type run struct {
	kind  string
	items [][]byte
}

// split cuts a body into runs.
func split(body []byte) (runs []run, err error) {
	for len(body) > 0 {
		var kind, payload []byte
		if kind, payload, body, err = frame.Cut(body); err != nil {
			return nil, err
		}
		if len(runs) == 0 || runs[len(runs)-1].kind != string(kind) {
			runs = append(runs, run{kind: string(kind)})
		}
		last := &runs[len(runs)-1]
		last.items = append(last.items, payload)
	}
	return runs, nil
}

// sender makes room for a sender. There is one, or a few; when there are too many, all are forgotten, and what is sent
// twice just then is taken twice.
func (s *server) sender(name string) string {
	if _, known := s.done[name]; !known {
		if len(s.done) >= maxSenders {
			clear(s.done)
		}
		s.done[name] = 0
	}
	return name
}

// takeAll hands the runs to the parts that take them, until one cannot. It returns the number of the first item that is
// not taken, and how many were refused.
func (s *server) takeAll(r *http.Request, sender string, first uint64, runs []run) (next, refused uint64, err error) {
	defer func() {
		s.mu.Lock()
		s.refused += refused
		s.mu.Unlock()
	}()
	at := first
	for _, run := range runs {
		skip := min(max(s.done[sender], at)-at, uint64(len(run.items)))
		at += skip
		for items := run.items[skip:]; len(items) > 0; {
			n, err := s.take(r, run.kind, items)
			items, at = items[n:], at+uint64(n)
			if errors.Is(err, ErrRefused) {
				s.log.Debug("an item is refused", "kind", run.kind, "error", err)
				items, at, refused = items[1:], at+1, refused+1
				err = nil
			}
			s.done[sender] = at
			if err != nil {
				return at, refused, err
			}
		}
	}
	return max(at, first), refused, nil
}

// take hands items to their part. A part that does not keep to its contract must not lose items or block those behind.
func (s *server) take(r *http.Request, kind string, items [][]byte) (n int, err error) {
	taker := s.by[kind]
	if taker == nil {
		return 0, fmt.Errorf("%w: no part takes kind %q", ErrRefused, kind)
	}
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("a part panicked with an item", "kind", kind, "panic", p)
			n, err = 0, fmt.Errorf("%w: it makes the part panic", ErrRefused)
		}
	}()
	n, err = taker.Take(r.Context(), kind, items)
	n = min(max(n, 0), len(items))
	if err == nil && n < len(items) {
		err = fmt.Errorf("%d items of kind %q are left over", len(items)-n, kind)
	}
	if err != nil && n == len(items) {
		err = nil // all are taken: whatever it is, it is not about an item
	}
	return n, err
}
