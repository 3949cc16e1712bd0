package view

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/gabion-io/gabion/server/event"
	"github.com/gabion-io/gabion/server/status"
)

// Status is the whole picture.
func Status(r status.Report, s Style) string {
	var b strings.Builder
	s.header(&b, r)
	services(r).text(s, &b)
	total := func(n float64) string { return number(uint64(n)) }
	policies(policyLoads(nil, r.Services, 1, r.Now), "", total).text(s, &b)
	endpoints(r, s).text(s, &b)
	routes(r).text(s, &b)
	limits(r).text(s, &b)
	events(r, s).text(s, &b)
	return b.String()
}

// header is what belongs to the process as a whole.
func (s Style) header(b *strings.Builder, r status.Report) {
	p, c := r.Process, r.Config
	tones := map[string]tone{status.Serving: good, status.Starting: warn, status.Draining: warn}
	fmt.Fprintf(b, "gabion %s  %s  up %s  %s\n", clean(p.Version), s.paint(cmp.Or(tones[p.State], bad), clean(p.State)),
		age(r.Now.Sub(p.Started)), r.Now.In(s.zone()).Format("2006-01-02 15:04:05 MST"))
	if c.Generation > 0 {
		fmt.Fprintf(b, "configuration: generation %d, in force since %s\n", c.Generation, s.clock(c.Loaded, r.Now))
	}
	b.WriteString(s.store(r))
	if c.Error == "" {
		return
	}
	b.WriteString(s.paint(bad, "the last change, at "+s.clock(c.Tried, r.Now)+", was refused:") + "\n")
	for line := range strings.SplitSeq(strings.TrimSpace(c.Error), "\n") {
		// Excerpts and the carets below them stay aligned.
		b.WriteString(strings.TrimRight("  "+clean(strings.ReplaceAll(line, "\t", "    ")), " ") + "\n")
	}
}

func services(r status.Report) *table {
	t := &table{title: "SERVICES", head: []string{"NAME", "BALANCE", "USABLE", "BREAKER", "RETRIES LEFT", "NOTE"}}
	for _, one := range r.Services {
		usable, all := 0, 0
		for _, e := range one.Endpoints {
			if e.State == status.Draining {
				continue
			}
			all++
			if e.State == status.Healthy || e.State == status.SlowStart {
				usable++
			}
		}
		count := cell{fmt.Sprintf("%d of %d", usable, all), good}
		switch {
		case usable == 0:
			count.tone = bad
		case usable < all:
			count.tone = warn
		}
		t.row(cell{one.Name, plain}, cell{one.Balance, plain}, count, breaker(one.Breaker), budget(one.Budget), note(one))
	}
	return t
}

func breaker(b *status.Breaker) cell {
	switch {
	case b == nil:
		return cell{}
	case b.State == status.Closed:
		return cell{b.State, good}
	case b.State == status.Open && b.RetryAfter > 0:
		return cell{fmt.Sprintf("open, %.1fs left", b.RetryAfter), bad}
	case b.State == status.Open:
		return cell{b.State, bad}
	}
	return cell{b.State, warn}
}

func bulkhead(b *status.Bulkhead) cell {
	if b == nil {
		return cell{}
	}
	c := cell{fmt.Sprintf("%d/%d", b.InFlight, b.Limit), plain}
	if b.Queued > 0 {
		c = cell{fmt.Sprintf("%s +%d", c.text, b.Queued), warn}
	}
	return c
}

func budget(b *status.Budget) cell {
	if b == nil {
		return cell{}
	}
	c := cell{fmt.Sprintf("%.0f of %.0f", b.Left, b.Max), plain}
	if b.Left < 1 {
		c.tone = warn
	}
	return c
}

func note(s status.Service) cell {
	switch {
	case s.FailOpen:
		return cell{"all look unhealthy and are used all the same", bad}
	case s.StandbyActive:
		return cell{"the standby pool serves", warn}
	}
	return cell{}
}

func endpoints(r status.Report, s Style) *table {
	t := &table{
		title: "ENDPOINTS",
		head:  []string{"SERVICE", "ENDPOINT", "POOL", "STATE", "SINCE", "BREAKER", ">IN FLIGHT", ">REQUESTS", ">ERRORS", ">EJECTED", "REASON"},
	}
	for _, one := range r.Services {
		for _, e := range one.Endpoints {
			pool := ""
			if e.Standby {
				pool = "standby"
			}
			t.row(cell{one.Name, plain}, cell{e.Name, plain}, cell{pool, plain}, endpointState(e.State), cell{s.clock(e.Since, r.Now), plain},
				breaker(e.Breaker), cell{number(e.InFlight), plain}, cell{number(e.Requests), plain}, cell{number(e.Errors), plain},
				cell{number(e.Ejections), plain}, cell{e.Reason, plain})
		}
	}
	return t
}

func endpointState(state string) cell {
	switch state {
	case status.Healthy:
		return cell{state, good}
	case status.Ejected, status.Unhealthy:
		return cell{state, bad}
	}
	return cell{state, warn}
}

// unmatched is how the route without a name is shown.
const unmatched = "(no route)"

func routes(r status.Report) *table {
	t := &table{
		title: "ROUTES",
		head:  []string{"NAME", "SERVICE", ">IN FLIGHT", ">REQUESTS", ">4XX", ">5XX", ">RETRIES", ">FALLBACKS", ">P50", ">P99"},
	}
	for _, one := range r.Routes {
		if one.Name == "" && one.Requests == 0 {
			continue
		}
		client, server := classes(one.Codes)
		t.row(cell{cmp.Or(one.Name, unmatched), plain}, cell{one.Service, plain}, cell{number(one.InFlight), plain},
			cell{number(one.Requests), plain}, cell{number(client), plain}, cell{number(server), bad},
			cell{number(one.Retries), plain}, cell{number(one.Fallbacks), warn},
			cell{latency(one.Duration, 0.5), plain}, cell{latency(one.Duration, 0.99), plain})
	}
	return t
}

// classes sums the codes of the client's errors and of the server's.
func classes(codes map[string]uint64) (client, server uint64) {
	for code, n := range codes {
		switch {
		case strings.HasPrefix(code, "4"):
			client += n
		case strings.HasPrefix(code, "5"):
			server += n
		}
	}
	return client, server
}

func limits(r status.Report) *table {
	t := &table{title: "LIMITS", head: []string{"NAME", "MODE", ">KEYS", "BY", ">ALLOWED", ">REFUSED", ">WOULD REFUSE"}}
	for _, one := range r.Limits {
		var order []string
		counts := map[string]map[string]uint64{}
		for _, d := range one.Decisions {
			if counts[d.Kind] == nil {
				counts[d.Kind] = map[string]uint64{}
				order = append(order, d.Kind)
			}
			counts[d.Kind][d.Decision] += d.Count
		}
		if len(order) == 0 {
			order = []string{""}
		}
		for i, kind := range order {
			name, mode, keys := one.Name, one.Mode, number(one.Keys)
			if i > 0 {
				name, mode, keys = "", "", ""
			}
			n := counts[kind]
			t.row(cell{name, plain}, cell{mode, plain}, cell{keys, plain}, cell{kind, plain},
				cell{number(n["allowed"]), plain}, cell{number(n["refused"]), warn}, cell{number(n["shadow"]), warn})
		}
	}
	return t
}

func events(r status.Report, s Style) *table {
	t := &table{title: "LAST EVENTS", head: []string{"TIME", "KIND", "ABOUT", "CHANGE", "REASON"}}
	for _, e := range r.Events {
		reason, _, _ := strings.Cut(e.Reason, "\n")
		t.row(cell{s.clock(e.At, r.Now), faint}, cell{string(e.Kind), plain}, cell{about(e), plain}, cell{change(e), plain}, cell{reason, plain})
	}
	return t
}

// about names what an event is about.
func about(e event.Event) string {
	var names []string
	for _, name := range []string{e.Service, e.Endpoint, e.Route, e.Limit, e.Key} {
		if name != "" {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

func change(e event.Event) string {
	if e.From != "" && e.To != "" {
		return e.From + " → " + e.To
	}
	return cmp.Or(e.To, e.From)
}
