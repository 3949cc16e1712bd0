package api

import (
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
	"strings"

	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/gateway/exchange"
)

// problem is an answer that says why there is no other (RFC 9457). Its type is made of its title, which is the same for
// every problem of the kind; the detail is for people.
type problem struct {
	// Type is left out in the code.
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	// Findings are all that is wrong with a configuration.
	Findings config.Problems `json:"findings,omitempty"`

	header http.Header
}

func (p *problem) write(w http.ResponseWriter) {
	p.Type = exchange.URN + strings.ReplaceAll(strings.ToLower(p.Title), " ", "-")
	maps.Copy(w.Header(), p.header)
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="gabion"`)
	}
	write(w, p.Status, "application/problem+json", p)
}

// write answers with a value as JSON. A client that is gone is not told about it.
func write(w http.ResponseWriter, code int, kind string, v any) {
	text, err := json.Marshal(v)
	if err != nil { // a number that JSON does not have
		code, kind = http.StatusInternalServerError, "application/problem+json"
		text = []byte(`{"type":"` + exchange.URN + exchange.InternalError + `","title":"Internal error","status":500}`)
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(text)+1))
	w.WriteHeader(code)
	_, _ = w.Write(append(text, '\n'))
}

func show(w http.ResponseWriter, v any) { write(w, http.StatusOK, "application/json", v) }

func badParameter(name, want string) *problem {
	return &problem{Status: http.StatusBadRequest, Title: "Bad parameter", Detail: name + " must be " + want + "."}
}

// unknown is the problem of a request that no operation takes: handler is what the mux has for it.
func unknown(handler http.Handler, r *http.Request) *problem {
	var w headOnly
	handler.ServeHTTP(&w, r)
	if w.code == http.StatusMethodNotAllowed {
		return &problem{
			Status: w.code, Title: "Method not allowed", Detail: "Possible here: " + strings.Join(w.header["Allow"], ", ") + ".",
			header: http.Header{"Allow": w.header["Allow"]},
		}
	}
	return &problem{Status: http.StatusNotFound, Title: "Not found", Detail: "GET /api/v1/openapi.json describes what there is."}
}

// headOnly takes the head of an answer.
type headOnly struct {
	header http.Header
	code   int
}

func (w *headOnly) Header() http.Header {
	if w.header == nil {
		w.header = http.Header{}
	}
	return w.header
}
func (w *headOnly) WriteHeader(code int)        { w.code = code }
func (w *headOnly) Write(p []byte) (int, error) { return len(p), nil }
