package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gabion-io/gabion/server/status"
)

// Load is what a gateway is busy with: what lies between two pictures of it, and who uses most.
type Load struct {
	// Now is when the second picture was taken; Seconds is the time between the two.
	Now     time.Time `json:"now"`
	Seconds float64   `json:"seconds"`
	// Routes and Endpoints begin with the busiest.
	Routes    []RouteLoad    `json:"routes"`
	Endpoints []EndpointLoad `json:"endpoints"`
	// Policies are those of services that bound, repeat or fail requests.
	Policies []PolicyLoad `json:"policies"`
	// ByRequests and ByServerTime begin with those that use most.
	ByRequests   []status.Usage `json:"users_by_requests"`
	ByServerTime []status.Usage `json:"users_by_server_time"`

	report status.Report // the second one
}

// RouteLoad is what a route is busy with.
type RouteLoad struct {
	Name      string  `json:"name"`
	Service   string  `json:"service"`
	PerSecond float64 `json:"requests_per_second"`
	// ClientErrors and ServerErrors are shares of the requests, from 0 to 1: answers of 4xx and of 5xx.
	ClientErrors float64 `json:"client_errors"`
	ServerErrors float64 `json:"server_errors"`
	Retries      float64 `json:"retries_per_second"`
	InFlight     int     `json:"in_flight"`
	// P50 and P99 are in seconds; -1 when nothing ended. What is longer than the histogram reaches is shown as its
	// last bound.
	P50 float64 `json:"p50_seconds"`
	P99 float64 `json:"p99_seconds"`

	duration status.Histogram
}

// EndpointLoad is what an endpoint is busy with.
type EndpointLoad struct {
	Service   string  `json:"service"`
	Name      string  `json:"name"`
	State     string  `json:"state"`
	PerSecond float64 `json:"requests_per_second"`
	// Errors are a share of the requests, from 0 to 1.
	Errors   float64 `json:"errors"`
	InFlight int     `json:"in_flight"`
}

// Compare says what happened between two pictures. When before is of another process, or is empty, it is everything since
// after's process started.
func Compare(before, after status.Report, byRequests, byTime status.Top) Load {
	passed := after.Now.Sub(before.Now)
	if before.Now.IsZero() || !before.Process.Started.Equal(after.Process.Started) {
		before, passed = status.Report{}, after.Now.Sub(after.Process.Started)
	}
	l := Load{
		Now: after.Now, Seconds: max(passed.Seconds(), 0.001), report: after,
		Policies: policyLoads(before.Services, after.Services, max(passed.Seconds(), 0.001), after.Now),
		Routes:   []RouteLoad{}, Endpoints: []EndpointLoad{},
		ByRequests: append([]status.Usage{}, byRequests.Users...), ByServerTime: append([]status.Usage{}, byTime.Users...),
	}
	l.routes(before, after)
	l.endpoints(before, after)
	return l
}

func (l *Load) routes(before, after status.Report) {
	type id struct{ name, service string }
	old := map[id]status.Route{}
	for _, r := range before.Routes {
		old[id{r.Name, r.Service}] = r
	}
	for _, r := range after.Routes {
		was := old[id{r.Name, r.Service}]
		requests := since(was.Requests, r.Requests)
		oldClient, oldServer := classes(was.Codes)
		client, server := classes(r.Codes)
		h := between(was.Duration, r.Duration)
		p50, _ := quantile(h, 0.5)
		p99, _ := quantile(h, 0.99)
		l.Routes = append(l.Routes, RouteLoad{
			Name: r.Name, Service: r.Service, PerSecond: float64(requests) / l.Seconds,
			ClientErrors: share(since(oldClient, client), requests), ServerErrors: share(since(oldServer, server), requests),
			Retries: float64(since(was.Retries, r.Retries)) / l.Seconds, InFlight: r.InFlight, P50: p50, P99: p99, duration: h,
		})
	}
	slices.SortStableFunc(l.Routes, func(a, b RouteLoad) int { return cmp.Compare(b.PerSecond, a.PerSecond) })
}

func (l *Load) endpoints(before, after status.Report) {
	type id struct{ service, name string }
	old := map[id]status.Endpoint{}
	for _, s := range before.Services {
		for _, e := range s.Endpoints {
			old[id{s.Name, e.Name}] = e
		}
	}
	for _, s := range after.Services {
		for _, e := range s.Endpoints {
			was := old[id{s.Name, e.Name}]
			requests := since(was.Requests, e.Requests)
			l.Endpoints = append(l.Endpoints, EndpointLoad{
				Service: s.Name, Name: e.Name, State: e.State, PerSecond: float64(requests) / l.Seconds,
				Errors: share(since(was.Errors, e.Errors), requests), InFlight: e.InFlight,
			})
		}
	}
	slices.SortStableFunc(l.Endpoints, func(a, b EndpointLoad) int { return cmp.Compare(b.PerSecond, a.PerSecond) })
}

// since is by how much a counter grew. One that is smaller than before began anew.
func since(before, after uint64) uint64 {
	if after < before {
		return after
	}
	return after - before
}

func share(part, whole uint64) float64 {
	if whole == 0 {
		return 0
	}
	return min(1, float64(part)/float64(whole)) // the counters are not read at one moment
}

// between is what was observed between two states of a histogram.
func between(before, after status.Histogram) status.Histogram {
	if len(before.Buckets) != len(after.Buckets) {
		return after
	}
	h := status.Histogram{Sum: max(0, after.Sum-before.Sum), Buckets: slices.Clone(after.Buckets)}
	for i := range h.Buckets {
		h.Buckets[i].Count = since(before.Buckets[i].Count, after.Buckets[i].Count)
	}
	return h
}

// Top is a screen of what a gateway is busy with.
func Top(l Load, s Style) string {
	var b strings.Builder
	s.header(&b, l.report)
	rows := cmp.Or(max(s.Rows, 0), 10)
	l.routeTable(rows).text(s, &b)
	l.endpointTable(rows).text(s, &b)
	policies(l.Policies[:min(rows, len(l.Policies))], "/S", rate).text(s, &b)
	users("USERS BY REQUESTS", l.ByRequests, rows).text(s, &b)
	users("USERS BY SERVER TIME", l.ByServerTime, rows).text(s, &b)
	return b.String()
}

func (l *Load) routeTable(rows int) *table {
	t := &table{title: "ROUTES", head: []string{"NAME", "SERVICE", ">PER SECOND", ">4XX", ">5XX", ">RETRIES/S", ">IN FLIGHT", ">P50", ">P99"}}
	for _, r := range l.Routes[:min(rows, len(l.Routes))] {
		if r.Name == "" && r.PerSecond == 0 {
			continue
		}
		t.row(cell{cmp.Or(r.Name, unmatched), plain}, cell{r.Service, plain}, cell{cmp.Or(rate(r.PerSecond), "0"), plain},
			cell{percent(r.ClientErrors), plain}, cell{percent(r.ServerErrors), bad}, cell{rate(r.Retries), warn}, cell{number(r.InFlight), plain},
			cell{latency(r.duration, 0.5), plain}, cell{latency(r.duration, 0.99), plain})
	}
	return t
}

func (l *Load) endpointTable(rows int) *table {
	t := &table{title: "ENDPOINTS", head: []string{"SERVICE", "ENDPOINT", "STATE", ">PER SECOND", ">ERRORS", ">IN FLIGHT"}}
	for _, e := range l.Endpoints[:min(rows, len(l.Endpoints))] {
		t.row(cell{e.Service, plain}, cell{e.Name, plain}, endpointState(e.State), cell{cmp.Or(rate(e.PerSecond), "0"), plain},
			cell{percent(e.Errors), bad}, cell{number(e.InFlight), plain})
	}
	return t
}

func users(title string, all []status.Usage, rows int) *table {
	t := &table{title: title, head: []string{"KEY", "LIMIT", ">REQUESTS/S", ">SERVER TIME", ">IN FLIGHT", ">REFUSED", "NOW"}}
	for _, u := range all[:min(rows, len(all))] {
		now := cell{}
		if u.Limited {
			now = cell{"limited", warn}
		}
		used := ""
		if u.ServerTime > 0 {
			used = fmt.Sprintf("%.3fs/s", u.ServerTime)
		}
		t.row(cell{cmp.Or(u.Key, "(all)"), plain}, cell{u.Limit, plain}, cell{rate(u.Requests), plain}, cell{used, plain},
			cell{number(u.InFlight), plain}, cell{number(u.Refused), warn}, now)
	}
	return t
}
