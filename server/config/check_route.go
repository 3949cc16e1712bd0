package config

import (
	"slices"
	"strings"
	"time"

	"github.com/gabion-io/gabion"
)

func (c *checker) route(i int, r *Route) {
	path := item("routes", i)
	if r.Service == "" {
		c.fail(join(path, "service"), "%s has no service to go to", path)
	} else if c.routable(join(path, "service"), r.Service) {
		c.routeTimeout(join(path, "timeout"), r)
	}
	c.routeName(join(path, "name"), r.Name)
	c.match(join(path, "match"), r.Match)
	c.identity(join(path, "identity"), r.Identity)
	at := join(path, "limits")
	for j, name := range r.Limits {
		c.reference(item(at, j), "limit", name, sorted(c.file.Limits))
	}
	c.twice(at, r.Limits)
}

// routeTimeout checks that a route does not try to lengthen its service's timeout.
func (c *checker) routeTimeout(path string, r *Route) {
	t := c.file.Services[r.Service].Timeout
	if !t.Off && t.Config.Total != gabion.Off && r.Timeout > t.Config.Total && t.Config.Total > 0 {
		c.fail(path, "%s is %v, longer than the %v of service %s, which it can only shorten", path, r.Timeout, round(t.Config.Total), r.Service)
	}
}

func round(d time.Duration) time.Duration { return d.Round(time.Microsecond) }

func (c *checker) routeName(path, name string) {
	if c.wrote(path) && (len(name) > 100 || name != strings.TrimSpace(name) || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f })) {
		c.fail(path, "%q cannot be a name", clip(name)).allow("up to 100 characters without line breaks")
	}
}

func (c *checker) match(path string, m Match) {
	if m.Host != "" {
		if problem := hostProblem(m.Host); problem != "" {
			c.fail(join(path, "host"), "%s.host %s", path, problem)
		}
	}
	if m.Path != "" {
		if problem := pathProblem(m.Path); problem != "" {
			c.fail(join(path, "path"), "%s.path %s", path, problem)
		}
	}
	c.methods(join(path, "methods"), m.Methods)
	for name, value := range m.Header {
		c.headerField(join(join(path, "header"), name), name, value)
	}
}

// headerSource begins a key or identity that is the value of a header field.
const headerSource = "header:"

func (c *checker) identity(path string, sources []string) {
	if len(sources) == 0 && c.wrote(path) {
		c.fail(path, "%s is an empty list; leave it out to know callers by their address", path)
	}
	for i, source := range sources {
		if strings.HasPrefix(source, "jwt:") {
			c.fail(item(path, i), "%s: identity jwt: is not available yet in this version of Gabion", path)
			continue
		}
		c.source(item(path, i), source, []string{"ip"}, "ip", "header:NAME")
	}
	c.twice(path, sources)
}

// source checks a key: one of words, or the name of a header field.
func (c *checker) source(path, source string, words []string, allowed ...string) {
	if name, ok := strings.CutPrefix(source, headerSource); ok {
		if !isToken(name) {
			c.fail(path, "%q cannot be the name of a header field", clip(name))
		}
		return
	}
	if !slices.Contains(words, source) {
		p := c.fail(path, "there is no key %q", clip(source)).allow(allowed...)
		if isToken(source) && strings.Contains(source, "-") {
			p.Suggestion = `"` + headerSource + source + `"`
			return
		}
		p.suggest(source, words)
	}
}

// duplicateRoutes finds routes with the name of another, and routes that no request can reach because an earlier one
// matches all of theirs.
func (c *checker) duplicateRoutes() {
	names, matches := map[string]int{}, map[string][]int{}
	for i, r := range c.file.Routes {
		path := item("routes", i)
		if first, twice := names[r.Name]; twice {
			c.fail(join(path, "name"), "%q is already the name of the route on line %d", clip(r.Name), c.line(first))
		} else {
			names[r.Name] = i
		}
		key := matchKey(r.Match)
		for _, first := range matches[key] {
			if covers(c.file.Routes[first].Match.Methods, r.Match.Methods) {
				c.fail(join(path, "match"), "%s can never match: the route on line %d takes all of its requests", path, c.line(first))
				break
			}
		}
		matches[key] = append(matches[key], i)
	}
}

// line is where a route stands.
func (c *checker) line(route int) int { return c.nearest(item("routes", route)).where().line }

// matchKey is the same for matches that take the same requests but for their methods. The names of parameters do not
// matter.
func matchKey(m Match) string {
	var b strings.Builder
	path := m.Path
	if path == "" {
		path = "/"
	}
	b.WriteString(m.Host + " ")
	for segment := range strings.SplitSeq(path, "/") {
		if strings.HasPrefix(segment, "{") {
			segment = "{}"
		}
		b.WriteString("/" + segment)
	}
	for _, name := range sorted(m.Header) {
		b.WriteString("\n" + name + ": " + m.Header[name])
	}
	return b.String()
}

// covers says whether a match on the earlier list of methods leaves nothing for the later one. A list is more
// specific than none, and GET includes HEAD.
func covers(earlier, later []string) bool {
	if len(earlier) == 0 || len(later) == 0 {
		return len(earlier) == len(later)
	}
	for _, m := range later {
		if !slices.Contains(earlier, m) && (m != "HEAD" || !slices.Contains(earlier, "GET")) {
			return false
		}
		if m == "GET" && !slices.Contains(earlier, "GET") {
			return false
		}
	}
	return true
}
