package route

import (
	"slices"
	"strings"

	"github.com/gabion-io/gabion/server/gateway/exchange"
)

// maxParams bounds the parameters of one path; validation refuses more.
const maxParams = 16

// search is one request on its way through the trees.
type search struct {
	request *exchange.Request
	values  [maxParams]string // of the {param} segments passed, in order
	count   int
	found   *candidate
	allowed []string
}

// Match finds the route of a request and appends the path parameters to params.
func (t *Table) Match(r *exchange.Request, params []exchange.Param) (Match, []exchange.Param) {
	s := search{request: r}
	host := hostname(r.Host)
	if !s.in(t.exact[host]) && !s.inWildcard(t, host) && !s.in(t.any) {
		return Match{Route: -1, Allowed: s.methods()}, params
	}
	for i, name := range s.found.params {
		params = append(params, exchange.Param{Name: name, Value: s.values[i]})
	}
	return Match{Route: s.found.index}, params
}

// inWildcard searches the wildcard tree that is due for the host: "*" stands for exactly one label.
func (s *search) inWildcard(t *Table, host string) bool {
	if len(t.wildcard) == 0 {
		return false
	}
	_, suffix, ok := strings.Cut(host, ".")
	return ok && s.in(t.wildcard[suffix])
}

func (s *search) in(tree *node) bool {
	s.count = 0
	return tree != nil && s.walk(tree, strings.TrimPrefix(s.request.Path, "/"))
}

// walk searches n and what is below it for the rest of a path. It goes back when a more specific branch ends
// without a match.
func (s *search) walk(n *node, rest string) bool {
	if rest == "" {
		if strings.HasSuffix(s.request.Path, "/") {
			return s.take(n.prefix)
		}
		return s.take(n.exact) // "/api" is not below the prefix "/api/"
	}
	segment, after, _ := strings.Cut(rest, "/")
	if child := n.literal[segment]; child != nil && s.walk(child, after) {
		return true
	}
	if n.param != nil && segment != "" && s.count < maxParams {
		s.values[s.count] = segment
		s.count++
		if s.walk(n.param, after) {
			return true
		}
		s.count--
	}
	return s.take(n.prefix)
}

// take picks the first candidate that takes the method and the header.
func (s *search) take(candidates []*candidate) bool {
	for _, c := range candidates {
		if !c.takesHeader(s.request.Header) {
			continue
		}
		if c.takesMethod(s.request.Method) {
			s.found = c
			return true
		}
		s.allowed = append(s.allowed, c.methods...)
	}
	return false
}

func (c *candidate) takesHeader(h exchange.Header) bool {
	for _, field := range c.header {
		if !slices.Contains(h.Values(field.Name), field.Value) {
			return false
		}
	}
	return true
}

func (c *candidate) takesMethod(method string) bool {
	if len(c.methods) == 0 || slices.Contains(c.methods, method) {
		return true
	}
	return method == "HEAD" && slices.Contains(c.methods, "GET")
}

// methods are the allowed methods found on the way, each once, with HEAD where GET is.
func (s *search) methods() []string {
	if slices.Contains(s.allowed, "GET") {
		s.allowed = append(s.allowed, "HEAD")
	}
	slices.Sort(s.allowed)
	return slices.Compact(s.allowed)
}

// hostname is a Host field without its port and final dot, in lower case.
func hostname(host string) string {
	if strings.HasPrefix(host, "[") { // IPv6
		if end := strings.IndexByte(host, ']'); end > 0 {
			return strings.ToLower(host[1:end])
		}
		return strings.ToLower(host)
	}
	name, _, _ := strings.Cut(host, ":")
	return strings.ToLower(strings.TrimSuffix(name, "."))
}
