package api

import (
	"net/http"
	"time"
)

// stored are the paths that the process that keeps metrics and logs answers. Their languages are those of other systems:
// Prometheus, Loki, Elasticsearch and OpenTelemetry.
var stored = []string{
	"/prometheus/", "/loki/", "/elasticsearch/", "/v1/metrics", "/v1/logs", "/v1/traces", "/api/v1/metrics", "/api/v1/logs", "/api/v1/logs/", "/api/v1/traces/",
}

// storedIn is how long a client may take to send the body of such a request and to take the answer: a query alone may
// run for half a minute. An answer that goes on for longer changes the protocol, and has no such bound then.
const storedIn = 2 * time.Minute

// passOn lets the store answer.
func (a *API) passOn(w http.ResponseWriter, r *http.Request) {
	c, until := http.NewResponseController(w), time.Now().Add(storedIn)
	// A writer without deadlines is one of a test.
	_, _ = c.SetReadDeadline(until), c.SetWriteDeadline(until)
	a.Stored.ServeHTTP(w, r)
}

// keptMetrics says what became of metrics. It has the shape of Prometheus' answers.
type keptMetrics struct {
	// Status is success or error.
	Status string `json:"status" enum:"success,error"`
	// Data is there after success.
	Data *keptSamples `json:"data,omitempty"`
	// ErrorType is what kind of error it was, Error what exactly.
	ErrorType string `json:"errorType,omitempty"`
	Error     string `json:"error,omitempty"`
}

// keptSamples is what was kept.
type keptSamples struct {
	// Samples is how many there were.
	Samples int `json:"samples"`
}

// keptLogs says what became of lines.
type keptLogs struct {
	// Taken and Refused are numbers of lines. Empty lines are not counted.
	Taken   int `json:"taken"`
	Refused int `json:"refused"`
	// Errors are the first hundred lines that were refused.
	Errors []refusedLine `json:"errors,omitempty"`
	// Error says why no line was taken.
	Error string `json:"error,omitempty"`
}

// refusedLine is why a line was refused.
type refusedLine struct {
	// Line counts from 1.
	Line int `json:"line"`
	// Reason is for people.
	Reason string `json:"reason"`
}

// nothingStored answers when there is no store.
func nothingStored(w http.ResponseWriter, _ *http.Request) {
	(&problem{
		Status: http.StatusNotFound, Title: "Nothing is stored", Detail: "This gateway keeps neither metrics nor logs: data is off.",
	}).write(w)
}
