package api

import (
	"net/http"
	"time"
)

// stored are the paths that the process that keeps metrics and logs answers. Their languages are those of other systems:
// Prometheus, Loki, Elasticsearch and OpenTelemetry.
var stored = []string{
	"/prometheus/", "/loki/", "/elasticsearch/", "/v1/metrics", "/v1/logs", "/v1/traces", "/api/v1/metrics", "/api/v1/logs",
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

// nothingStored answers when there is no store.
func nothingStored(w http.ResponseWriter, _ *http.Request) {
	(&problem{
		Status: http.StatusNotFound, Title: "Nothing is stored", Detail: "This gateway keeps neither metrics nor logs: data is off.",
	}).write(w)
}
