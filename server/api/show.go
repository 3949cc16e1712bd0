package api

import (
	_ "embed"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gabion-io/gabion/server/event"
	"github.com/gabion-io/gabion/server/status"
)

//go:embed openapi.json
var document []byte

func (a *API) document(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", jsonKind)
	_, _ = w.Write(document) // a client that is gone is not told
}

func (a *API) livez(w http.ResponseWriter, _ *http.Request) { probe(w, true, a.Process().State) }

func (a *API) readyz(w http.ResponseWriter, _ *http.Request) {
	state := a.Process().State
	probe(w, state == status.Serving, state)
}

func (a *API) startupz(w http.ResponseWriter, _ *http.Request) {
	state := a.Process().State
	probe(w, state != status.Starting, state)
}

func probe(w http.ResponseWriter, good bool, state string) {
	w.Header().Set("Content-Type", textKind)
	if !good {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = fmt.Fprintln(w, state) // a client that is gone is not told
}

// shownEvents is how many events a picture holds; searchedEvents are those among which they are looked for.
const (
	shownEvents    = 20
	searchedEvents = 1000
)

func (a *API) status(w http.ResponseWriter, _ *http.Request) {
	show(w, status.Report{
		Now: time.Now().UTC(), Process: a.Process(), Config: a.Config(), Store: a.Store(),
		Services: list(a.Services()), Routes: list(a.Routes()), Limits: list(a.Limits()), Events: list(a.Events.Recent(shownEvents)),
	})
}

// list makes an empty list of none: in JSON, a list is never null.
func list[T any](all []T) []T {
	if all == nil {
		return []T{}
	}
	return all
}

func (a *API) services(w http.ResponseWriter, _ *http.Request) {
	show(w, status.Services{Services: list(a.Services())})
}

func (a *API) service(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	all := a.Services()
	i := slices.IndexFunc(all, func(s status.Service) bool { return s.Name == name })
	if i < 0 {
		(&problem{Status: http.StatusNotFound, Title: "No such service", Detail: fmt.Sprintf("No service is called %q.", name)}).write(w)
		return
	}
	routes := slices.DeleteFunc(slices.Clone(a.Routes()), func(r status.Route) bool { return r.Service != name })
	events := slices.DeleteFunc(a.Events.Recent(searchedEvents), func(e event.Event) bool { return e.Service != name })
	show(w, status.Detail{Service: all[i], Routes: list(routes), Events: list(events[max(0, len(events)-shownEvents):])})
}

func (a *API) top(w http.ResponseWriter, r *http.Request) {
	by := status.ByRequests
	if given := r.URL.Query().Get("by"); given != "" {
		by = status.By(given)
	}
	if by != status.ByRequests && by != status.ByServerTime {
		badParameter("by", "requests or server_time").write(w)
		return
	}
	n, wrong := limit(r, 10)
	if wrong != nil {
		wrong.write(w)
		return
	}
	show(w, status.Top{By: by, Users: list(a.Top(by, n))})
}

// maxLimit bounds every list that can be asked for.
const maxLimit = 1000

// limit reads how many are asked for.
func limit(r *http.Request, otherwise int) (int, *problem) {
	text := r.URL.Query().Get("limit")
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxLimit {
		return 0, badParameter("limit", "a whole number from 1 to "+strconv.Itoa(maxLimit))
	}
	return n, nil
}

func (a *API) getConfig(w http.ResponseWriter, _ *http.Request) {
	text, etag := a.Control.Source()
	w.Header().Set("Content-Type", yamlKind)
	w.Header().Set("ETag", etag)
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	_, _ = w.Write(text) // a client that is gone is not told
}
