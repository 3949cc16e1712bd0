// Package jsonlines takes log lines as JSON, one object a line: POST /api/v1/logs. Which names are known says package
// object; all other fields become attributes.
//
// Good lines are kept although others are not; the answer says which were refused and why:
//
//	{"taken": 2, "refused": 1, "errors": [{"line": 2, "reason": "byte 8: …"}]}
//
// Its status is 200 when at least one line was taken or there was none, 400 when all were refused, and 429 or 503 with
// Retry-After when nothing was taken and all should be sent again.
package jsonlines

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"

	"github.com/gabion-io/gabion/server/ingest"
	"github.com/gabion-io/gabion/server/ingest/object"
	"github.com/gabion-io/gabion/server/logs/entry"
)

const (
	// MaxLine is how many bytes a line may have.
	MaxLine = 1 << 20
	// MaxErrors is how many lines an answer gives a reason for; all are counted.
	MaxErrors = 100
)

// Handler takes lines over HTTP.
type Handler struct {
	// Sink gets the lines. Required.
	Sink ingest.Sink
	// Intake bounds the bodies. Required.
	Intake *ingest.Intake
}

// Answer says what became of the lines of a body.
type Answer struct {
	// Taken and Refused are numbers of lines. Empty lines are not counted.
	Taken   int `json:"taken"`
	Refused int `json:"refused"`
	// Errors are the first [MaxErrors] lines that were refused.
	Errors []LineError `json:"errors,omitempty"`
	// Error says why no line was taken.
	Error string `json:"error,omitempty"`
}

// LineError is why a line was refused.
type LineError struct {
	// Line counts from 1.
	Line   int    `json:"line"`
	Reason string `json:"reason"`
}

// ServeHTTP answers POST.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		write(w, http.StatusMethodNotAllowed, Answer{Error: "only POST is known here"})
		return
	}
	var a Answer
	err := h.Intake.Read(w, r, func(body []byte) error {
		batch, err := parse(body, time.Now())
		if err != nil {
			return err
		}
		a.Refused, a.Errors = batch.refused, batch.errors
		if len(batch.lines) == 0 {
			return nil
		}
		some, err := ingest.Partial(h.Sink.Append(r.Context(), "json "+r.RemoteAddr, batch.lines))
		if err != nil {
			return err
		}
		a.Taken = len(batch.lines)
		if some != nil {
			batch.drop(some, &a)
		}
		return nil
	})
	switch {
	case err != nil:
		a.Error = err.Error()
		write(w, ingest.Status(w.Header(), err), a)
	case a.Taken == 0 && a.Refused > 0:
		a.Error = "no line was taken"
		write(w, http.StatusBadRequest, a)
	default:
		write(w, http.StatusOK, a)
	}
}

// batch is the lines of a body.
type batch struct {
	lines   []entry.Entry
	numbers []int // of each line
	refused int
	errors  []LineError
}

// parse reads all lines. Those without a time get now.
func parse(body []byte, now time.Time) (b batch, err error) {
	var room ingest.Room
	number := 0
	for line := range bytes.Lines(body) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if len(line) > MaxLine {
			b.refuse(number, "the line is longer than 1 MiB")
			continue
		}
		e, err := object.Parse(line)
		if err != nil {
			b.refuse(number, err.Error())
			continue
		}
		if e.Time == 0 {
			e.Time = now.UnixNano()
		}
		if err := room.Take(&e); err != nil {
			return batch{}, err
		}
		b.lines, b.numbers = append(b.lines, e), append(b.numbers, number)
	}
	return b, nil
}

func (b *batch) refuse(number int, reason string) {
	b.refused++
	if len(b.errors) < MaxErrors {
		b.errors = append(b.errors, LineError{number, reason})
	}
}

// drop moves lines that the sink dropped to those that are refused.
func (b *batch) drop(some *ingest.PartialError, a *Answer) {
	for _, i := range some.Dropped {
		b.refuse(b.numbers[i], some.Reason)
	}
	a.Taken, a.Refused, a.Errors = len(b.lines)-len(some.Dropped), b.refused, b.errors
}

func write(w http.ResponseWriter, status int, a Answer) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// A client that is gone is not told.
	_ = json.NewEncoder(w).Encode(a)
}
