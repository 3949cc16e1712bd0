package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gabion-io/gabion"
)

// maxWeight keeps the sum of weights and the turns of round_robin small.
const maxWeight = 1000

// kindHTTP is the kind of service that requests can be sent to.
const kindHTTP = "http"

// schemes are the URL schemes of each kind of service.
var schemes = map[string][]string{
	kindHTTP:   {"http", "https", "h2c"},
	"external": {"http", "https", "tcp"},
}

func schemesOf(kind string) []string {
	if s := schemes[kind]; s != nil {
		return s
	}
	return []string{"tcp"}
}

func (c *checker) service(name string, s Service) {
	path := join("services", name)
	c.name(path, name)
	if s.Kind == kindHTTP && len(s.Endpoints) == 0 && c.readable(path) && c.readable(join(path, "endpoints")) {
		c.fail(join(path, "endpoints"), "%s has no endpoints; an http service needs at least one", path)
	}
	seen := map[string]string{}
	c.endpoints(join(path, "endpoints"), s.Kind, s.Endpoints, seen)
	c.endpoints(join(path, "standby"), s.Kind, s.Standby, seen)
	if s.Kind != kindHTTP && c.readable(join(path, "kind")) {
		c.withoutPolicies(path, s.Kind)
	}
	c.health(join(path, "health"), s.Health)
	if !s.Timeout.Off {
		c.timeouts(join(path, "timeout"), s.Timeout.Config)
	}
	if !s.Retry.Off {
		c.retries(join(path, "retry"), s.Retry.Config)
	}
	for i, f := range s.Fallback {
		c.fallback(item(join(path, "fallback"), i), name, f)
	}
	c.dependsOn(join(path, "depends_on"), name, s.DependsOn)
}

func (c *checker) endpoints(path, kind string, list []Endpoint, seen map[string]string) {
	for i, e := range list {
		at := item(path, i)
		if e.Weight > maxWeight {
			c.fail(join(at, "weight"), "%s.weight is %d, must be at most %d", at, e.Weight, maxWeight)
		}
		u := c.url(join(at, "url"), kind, e.URL)
		if first, twice := seen[u]; twice && u != "" {
			c.fail(join(at, "url"), "%s is the same as %s; give it a weight instead", at, first)
		} else {
			seen[u] = at
		}
	}
}

// url checks the address of an endpoint and returns its normal form, "" when it is wrong.
func (c *checker) url(path, kind, text string) string {
	if text == "" {
		c.fail(path, "%s is missing", path)
		return ""
	}
	problem := func(format string, args ...any) *Problem {
		return c.fail(path, "%s %s", path, fmt.Sprintf(format, args...))
	}
	allowed := schemesOf(kind)
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Opaque != "" || (u.Scheme == "" && u.Host == ""):
		p := problem("takes a URL, not %q", clip(text)).allow(schemeExamples(allowed)...)
		if _, _, err := net.SplitHostPort(text); err == nil {
			p.Suggestion = strconv.Quote(allowed[0] + "://" + text)
		}
	case u.User != nil:
		c.hideUser(path)
		problem("holds a user or password; secrets do not belong in a URL")
	case !slices.Contains(allowed, u.Scheme):
		problem("has the scheme %q, which %s services do not have", u.Scheme, kind).allow(schemeExamples(allowed)...).suggest(u.Scheme, allowed)
	case !validHost(u):
		problem("has no valid host and port: %q", clip(u.Host))
	case u.Scheme == "tcp" && u.Port() == "":
		problem("needs a port, such as tcp://%s:5432", u.Hostname())
	case u.Path != "" && u.Path != "/", u.RawQuery != "", u.Fragment != "":
		problem("is scheme, host and port alone: requests keep the path and query that they came with")
	default:
		return u.Scheme + "://" + strings.ToLower(u.Host)
	}
	return ""
}

// hideUser keeps a password in a URL out of messages.
func (c *checker) hideUser(path string) {
	n := c.nearest(path)
	n.at.src.hide(n.at)
}

func schemeExamples(allowed []string) []string {
	var all []string
	for _, s := range allowed {
		all = append(all, s+"://host:port")
	}
	return all
}

func validHost(u *url.URL) bool {
	_, ipErr := netip.ParseAddr(u.Hostname())
	if ipErr != nil && !isHostname(u.Hostname()) {
		return false
	}
	if u.Port() == "" {
		return !strings.HasSuffix(u.Host, ":")
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	return err == nil && port > 0
}

// unrouted are the keys of services that requests are not sent to.
var unrouted = []string{"kind", "endpoints", "depends_on", "replicas"}

// withoutPolicies refuses what has no effect on services that requests are not sent to.
func (c *checker) withoutPolicies(path, kind string) {
	for _, f := range fieldsOf(reflect.TypeFor[Service]()) {
		if at := join(path, f.key); c.wrote(at) && !slices.Contains(unrouted, f.key) {
			c.failKey(at, "%s has no effect: requests are sent to http services only, and this one is %s", at, kind)
		}
	}
}

func (c *checker) health(path string, h Health) {
	if !h.Active.Off {
		at, active := join(path, "active"), h.Active.Config
		switch {
		case active.Path == "":
			c.fail(at, "%s needs a path to ask for", at)
		case !strings.HasPrefix(active.Path, "/") || strings.ContainsFunc(active.Path, func(r rune) bool { return r <= ' ' || r == '#' || r == 0x7f }):
			c.fail(join(at, "path"), "%s.path must be a path that begins with a slash", at)
		}
		c.ordered(at, "timeout", active.Timeout, "interval", active.Interval)
	}
	if !h.Passive.Off {
		at, passive := join(path, "passive"), h.Passive.Config
		c.atMostAll(join(at, "error_rate"), passive.ErrorRate)
		c.atMostAll(join(at, "max_ejected"), passive.MaxEjected)
	}
}

func (c *checker) atMostAll(path string, share gabion.Share) {
	if share > 1 {
		c.fail(path, "%s is %v, must be at most 100%%", path, share)
	}
}

// ordered checks that the first of two durations of a section is not longer than the second.
func (c *checker) ordered(path, inner string, a time.Duration, outer string, b time.Duration) {
	if a == gabion.Off || b == gabion.Off || a <= b {
		return
	}
	origin := ""
	if !c.wrote(join(path, outer)) {
		origin = " by default; set that too"
	}
	c.fail(join(path, inner), "%s.%s is %v, longer than %s, which is %v%s", path, inner, a, outer, b, origin)
}

func (c *checker) timeouts(path string, t Timeout) {
	c.ordered(path, "attempt", t.Attempt, "total", t.Total)
	c.ordered(path, "connect", t.Connect, "attempt", t.Attempt)
	if t.Attempt == gabion.Off {
		c.ordered(path, "connect", t.Connect, "total", t.Total)
	}
}
