package store

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Problem is an answer that says why there is no other (RFC 9457). Its type is made of its title.
type Problem struct {
	// Title is the same for every problem of the kind.
	Title string
	// Status is the HTTP status.
	Status int
	// Detail is for people.
	Detail string
	// RetryAfter is when to come back, rounded up to seconds. Default: not said.
	RetryAfter time.Duration
}

// Write answers with the problem.
func (p Problem) Write(w http.ResponseWriter) {
	text, err := json.Marshal(struct {
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail,omitempty"`
	}{"urn:gabion:problem:" + strings.ReplaceAll(strings.ToLower(p.Title), " ", "-"), p.Title, p.Status, p.Detail})
	if err != nil { // strings and a number cannot fail
		text = []byte("{}")
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((p.RetryAfter+time.Second-1)/time.Second), 10))
	}
	w.WriteHeader(p.Status)
	// A client that is gone is not told.
	_, _ = w.Write(append(text, '\n'))
}
