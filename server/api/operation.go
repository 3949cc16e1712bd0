package api

import (
	"net/http"

	"github.com/gabion-io/gabion/server/event"
	"github.com/gabion-io/gabion/server/gateway/inject"
	"github.com/gabion-io/gabion/server/status"
)

// operation is one thing that can be asked: the mux and the document are made of the same table.
type operation struct {
	method, path string
	// id and summary are for the document.
	id, summary string
	// probe is set for what everybody may ask.
	probe   bool
	params  []param
	body    string // media type of the request's body
	takes   any    // an example of its type; nil when it is no JSON
	answers []answer
	handle  func(*API, http.ResponseWriter, *http.Request)
}

// param is a parameter of an operation.
type param struct {
	name, in string // in is query, path or header
	meaning  string
	required bool
	whole    bool // a whole number, not a string
	values   []string
}

// answer is one way in which an operation answers. All that are not probes also answer with 401 and 403.
type answer struct {
	code    int
	meaning string
	kind    string // media type
	body    any    // an example of its type; nil when it is no JSON
}

const (
	jsonKind    = "application/json"
	problemKind = "application/problem+json"
	textKind    = "text/plain; charset=utf-8"
	yamlKind    = "application/yaml"
	streamKind  = "text/event-stream"
)

func ok(meaning string, body any) answer { return answer{http.StatusOK, meaning, jsonKind, body} }

func failed(code int, meaning string) answer { return answer{code, meaning, problemKind, problem{}} }

var (
	limitParam = param{name: "limit", in: "query", meaning: "At most so many, from 1 to 1000.", whole: true}
	ifMatch    = param{name: "If-Match", in: "header", meaning: "The ETag of the configuration to replace, or *.", required: true}
)

// operations is everything that can be asked.
var operations = []operation{
	{
		method: "GET", path: "/livez", id: "livez", summary: "Whether the process is alive", probe: true,
		answers: []answer{{200, "It is.", textKind, nil}}, handle: (*API).livez,
	},
	{
		method: "GET", path: "/readyz", id: "readyz", summary: "Whether the gateway takes requests", probe: true,
		answers: []answer{{200, "It does.", textKind, nil}, {503, "It starts or drains.", textKind, nil}}, handle: (*API).readyz,
	},
	{
		method: "GET", path: "/startupz", id: "startupz", summary: "Whether the gateway has come up", probe: true,
		answers: []answer{{200, "It has.", textKind, nil}, {503, "It has not.", textKind, nil}}, handle: (*API).startupz,
	},
	{
		method: "GET", path: "/metrics", id: "metrics", summary: "All metrics in the format of Prometheus",
		answers: []answer{{200, "The metrics.", "text/plain; version=0.0.4; charset=utf-8", nil}},
		handle:  func(a *API, w http.ResponseWriter, r *http.Request) { a.Metrics.ServeHTTP(w, r) },
	},
	{
		method: "GET", path: "/api/v1/openapi.json", id: "document", summary: "This document",
		answers: []answer{ok("The document.", nil)}, handle: (*API).document,
	},
	{
		method: "GET", path: "/api/v1/status", id: "status", summary: "The whole picture",
		answers: []answer{ok("The picture.", status.Report{})}, handle: (*API).status,
	},
	{
		method: "GET", path: "/api/v1/services", id: "services", summary: "All services and their endpoints",
		answers: []answer{ok("The services.", status.Services{})}, handle: (*API).services,
	},
	{
		method: "GET", path: "/api/v1/services/{name}", id: "service", summary: "One service, its routes and the last events about it",
		params:  []param{{name: "name", in: "path", meaning: "The service's name.", required: true}},
		answers: []answer{ok("The service.", status.Detail{}), failed(404, "There is no such service.")}, handle: (*API).service,
	},
	{
		method: "GET", path: "/api/v1/limits/top", id: "top", summary: "The users that use most of the limits",
		params: []param{
			{name: "by", in: "query", meaning: "What they are ordered by. Default: requests.", values: []string{string(status.ByRequests), string(status.ByServerTime)}},
			limitParam,
		},
		answers: []answer{ok("The users.", status.Top{}), failed(400, "A parameter is wrong.")}, handle: (*API).top,
	},
	{
		method: "GET", path: "/api/v1/events", id: "events",
		summary: "What happened; with Accept: text/event-stream, also what happens from now on",
		params: []param{
			{name: "since", in: "query", meaning: "Only events after the one with this ID. Default: the last ones.", whole: true},
			limitParam,
			{name: "Last-Event-ID", in: "header", meaning: "The same as since, as browsers send it.", whole: true},
		},
		answers: []answer{
			ok("The events, oldest first.", event.Page{}),
			{200, "One server-sent event for each.", streamKind, nil},
			failed(400, "A parameter is wrong."), failed(503, "Too many are following."),
		},
		handle: (*API).events,
	},
	{
		method: "GET", path: "/api/v1/config", id: "getConfig", summary: "The configuration in force, as it was written",
		answers: []answer{{200, "The configuration; ETag identifies it. Secrets are references.", yamlKind, nil}}, handle: (*API).getConfig,
	},
	{
		method: "PUT", path: "/api/v1/config", id: "putConfig", summary: "Bring another configuration into force",
		params: []param{ifMatch}, body: yamlKind,
		answers: []answer{
			ok("It is in force.", status.Config{}),
			failed(412, "The configuration in force is another one."), failed(413, "It is too large."),
			failed(422, "It is wrong, or cannot come into force while running. The one before stays in force."),
			failed(428, "If-Match is missing."), failed(500, "It could not be stored."),
		},
		handle: (*API).putConfig,
	},
	{
		method: "POST", path: "/api/v1/reload", id: "reload", summary: "Read the configuration file again",
		answers: []answer{
			ok("It is in force.", status.Config{}),
			failed(422, "It is wrong, or cannot come into force while running. The one before stays in force."),
			failed(500, "It could not be read."),
		},
		handle: (*API).reload,
	},
	{
		method: "GET", path: "/api/v1/faults", id: "faults", summary: "The faults that are injected now",
		answers: []answer{ok("The faults.", status.Faults{})}, handle: (*API).listFaults,
	},
	{
		method: "POST", path: "/api/v1/faults", id: "injectFault",
		summary: "Make a service fail on purpose, for a while; drills.targets of the configuration must allow it",
		body:    jsonKind, takes: inject.Rule{},
		answers: []answer{
			{201, "The fault is in force, until its time is over or it is lifted.", jsonKind, status.Fault{}},
			failed(400, "The body is no rule."), failed(403, "The configuration does not allow it."),
			failed(409, "There are too many already."), failed(422, "The rule is impossible."),
		},
		handle: (*API).injectFault,
	},
	{
		method: "DELETE", path: "/api/v1/faults/{id}", id: "liftFault", summary: "End a fault",
		params:  []param{{name: "id", in: "path", meaning: "The fault's ID.", required: true}},
		answers: []answer{{204, "It has ended.", "", nil}, failed(404, "There is no such fault.")}, handle: (*API).liftFault,
	},
	{
		method: "POST", path: "/api/v1/metrics", id: "postMetrics", summary: "Keep metrics of one's own; the parameters are labels of series that do not have them",
		params: []param{
			{name: "service", in: "query", meaning: "Whose metrics these are."},
			{name: "job", in: "query", meaning: "The label job."},
			{name: "instance", in: "query", meaning: "The label instance."},
		},
		body: "text/plain; version=0.0.4",
		answers: []answer{
			ok("They are kept.", keptMetrics{}),
			{400, "The text cannot be read, or the guards refused samples; all others are kept.", jsonKind, keptMetrics{}},
			{413, "It is too large.", jsonKind, keptMetrics{}},
			{415, "It is no text.", jsonKind, keptMetrics{}},
			{503, "There is no room.", jsonKind, keptMetrics{}},
			failed(404, "Nothing is kept here."), failed(503, "The store is away for a moment."),
		},
		handle: (*API).passOn,
	},
	{
		method: "POST", path: "/api/v1/logs", id: "postLogs", summary: "Keep lines of a log, each a JSON object on a line of its own",
		body: "application/x-ndjson",
		answers: []answer{
			ok("The lines are kept, but for those that are counted as refused.", keptLogs{}),
			{400, "No line can be kept.", jsonKind, keptLogs{}},
			{413, "It is too large.", jsonKind, keptLogs{}},
			{415, "It is packed in a way that is not known.", jsonKind, keptLogs{}},
			{429, "There is no room, or too much comes from there.", jsonKind, keptLogs{}},
			{503, "It cannot be kept just now.", jsonKind, keptLogs{}},
			failed(404, "Nothing is kept here."), failed(503, "The store is away for a moment."),
		},
		handle: (*API).passOn,
	},
}
