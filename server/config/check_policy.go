package config

import (
	"net/textproto"
	"slices"
	"strconv"
	"strings"
)

// retryReasons are what can be retried besides a status.
var retryReasons = []string{"connect", "reset", "timeout"}

func (c *checker) retries(path string, r Retry) {
	at := join(path, "on")
	for i, reason := range r.On {
		status, err := strconv.Atoi(reason)
		if slices.Contains(retryReasons, reason) || (err == nil && len(reason) == 3 && status >= 400 && status <= 599) {
			continue
		}
		c.fail(item(at, i), "%s cannot have %q", at, clip(reason)).
			allow(append(slices.Clone(retryReasons), "a status from 400 to 599")...).suggest(reason, retryReasons)
	}
	c.twice(at, r.On)
	c.methods(join(path, "methods"), r.Methods)
	c.ordered(join(path, "backoff"), "initial", r.Backoff.Initial, "max", r.Backoff.Max)
}

// knownMethods are for suggestions. Others are allowed.
var knownMethods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"}

func (c *checker) methods(path string, methods []string) {
	for i, m := range methods {
		switch {
		case !isToken(m):
			c.fail(item(path, i), "%s: %q cannot be a method", path, clip(m)).allow("GET", "POST", "and so on")
		case m != strings.ToUpper(m):
			p := c.fail(item(path, i), "%s: methods are in upper case, and %q is not", path, clip(m))
			p.Suggestion = strconv.Quote(strings.ToUpper(m))
		case !slices.Contains(knownMethods, m) && nearest(m, knownMethods) != "" && len(m) > 3:
			c.fail(item(path, i), "%s: there is no method %q", path, clip(m)).suggest(m, knownMethods)
		}
	}
	c.twice(path, methods)
}

func (c *checker) fallback(path, owner string, f Fallback) {
	if c.bad[path] {
		return
	}
	if (f.Service == "") == (f.Respond == nil) {
		if !c.told(join(path, "service")) && !c.told(join(path, "respond")) {
			c.fail(path, "%s takes exactly one of service and respond", path).allow("service: NAME", "respond: {status: 200, json: …}")
		}
		return
	}
	if f.Respond != nil {
		c.respond(join(path, "respond"), *f.Respond)
		return
	}
	at := join(path, "service")
	if f.Service == owner {
		c.fail(at, "%s is the service itself", at)
		return
	}
	c.routable(at, f.Service)
}

// routable checks that a service exists and that requests can be sent to it.
func (c *checker) routable(path, name string) bool {
	if !c.reference(path, "service", name, sorted(c.file.Services)) {
		return false
	}
	if kind := c.file.Services[name].Kind; kind != kindHTTP && c.readable(join(join("services", name), "kind")) {
		c.fail(path, "%s is a %s service; requests are sent to http services only", name, kind)
		return false
	}
	return true
}

// drills checks what may be made to fail.
func (c *checker) drills() {
	targets := c.file.Drills.Targets
	for _, name := range sorted(targets) {
		path := join("drills.targets", name)
		c.routable(path, name)
		for i, kind := range targets[name] {
			c.reference(item(path, i), "kind of fault", kind, FaultKinds)
		}
		c.twice(path, targets[name])
	}
}

// ownFields are set by the gateway for every answer.
var ownFields = []string{"Connection", "Content-Length", "Transfer-Encoding", "Trailer", "Upgrade", "Keep-Alive", "Te"}

func (c *checker) respond(path string, r Respond) {
	if r.Status < 200 || r.Status > 599 {
		c.fail(join(path, "status"), "%s.status is %d, must be from 200 to 599", path, r.Status)
	}
	json, body := c.given[join(path, "json")] != nil, r.Body != ""
	switch {
	case json && body:
		c.fail(join(path, "body"), "%s takes one of json and body", path)
	case (r.Status == 204 || r.Status == 304) && (json || body):
		c.fail(join(path, "status"), "%s.status %d has no body, and one is given", path, r.Status)
	}
	for name, value := range r.Header {
		at := join(join(path, "header"), name)
		switch canonical := textproto.CanonicalMIMEHeaderKey(name); {
		case slices.Contains(ownFields, canonical):
			c.failKey(at, "%s is set by the gateway itself", canonical)
		default:
			c.headerField(at, name, value)
		}
	}
}

func (c *checker) headerField(path, name, value string) {
	if !isToken(name) {
		c.failKey(path, "%q cannot be the name of a header field", clip(name))
	}
	if !isFieldValue(value) {
		c.fail(path, "%s cannot be the value of a header field: it has control characters or space at an end", path)
	}
}

func (c *checker) dependsOn(path, owner string, d DependsOn) {
	services := sorted(c.file.Services)
	check := func(key string, names []string) {
		at := join(path, key)
		for i, name := range names {
			if name == owner {
				c.fail(item(at, i), "%s names the service itself", at)
				continue
			}
			c.reference(item(at, i), "service", name, services)
		}
		c.twice(at, names)
	}
	check("needs", d.Needs)
	check("wants", d.Wants)
	for i, name := range d.Wants {
		if slices.Contains(d.Needs, name) {
			c.fail(item(join(path, "wants"), i), "%s is both needed and wanted; which is it?", name)
		}
	}
}

// fallbackCycles finds services that stand in for each other in a circle: a failing request would go round.
func (c *checker) fallbackCycles() {
	const open, done = 1, 2
	state := map[string]int{}
	var visit func(name string, trail []string)
	visit = func(name string, trail []string) {
		state[name] = open
		trail = append(trail, name)
		for i, f := range c.file.Services[name].Fallback {
			switch next := f.Service; {
			case next == "" || next == name:
			case state[next] == open:
				circle := append(slices.Clone(trail[slices.Index(trail, next):]), next)
				at := join(item(join(join("services", name), "fallback"), i), "service")
				c.fail(at, "fallbacks go in a circle: %s", strings.Join(circle, " → "))
			case state[next] == 0:
				visit(next, trail)
			}
		}
		state[name] = done
	}
	for _, name := range sorted(c.file.Services) {
		if state[name] == 0 {
			visit(name, nil)
		}
	}
}
