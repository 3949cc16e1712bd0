// Package route finds the route of a request: by host, path, method and header fields.
//
// The most specific match wins. An exact host beats a wildcard, which beats none. Then the path counts, segment by
// segment from the left: a literal beats {param}, a longer prefix beats a shorter one, and an exact path beats a
// prefix. Then more header fields beat fewer, and a list of methods beats none. What is still equal goes by its place
// in the file. A request that a more specific route refuses for its method or header goes to the next one that
// takes it.
package route

import (
	"cmp"
	"slices"
	"strings"

	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/gateway/exchange"
)

// Table is an immutable set of routes.
type Table struct {
	exact    map[string]*node // by host
	wildcard map[string]*node // by what stands after "*."
	any      *node
}

// node is a place in the tree of path segments.
type node struct {
	literal map[string]*node
	param   *node
	exact   []*candidate // routes whose path ends here
	prefix  []*candidate // routes whose path ends here with a slash
}

// candidate is a route at its place in the tree.
type candidate struct {
	index   int
	methods []string
	header  []exchange.Param
	params  []string // names of the parameters, in order of their segments
}

// Match is the answer to a request.
type Match struct {
	// Route is the place of the route in the list that New got, -1 when none matches.
	Route int
	// Allowed are the methods of routes that would have matched had the method been another; only when Route is -1.
	Allowed []string
}

// New makes the table of a validated list of routes.
func New(routes []config.Route) *Table {
	t := &Table{exact: map[string]*node{}, wildcard: map[string]*node{}, any: &node{}}
	for i, r := range routes {
		t.tree(r.Match.Host).add(i, r.Match)
	}
	for _, trees := range []map[string]*node{t.exact, t.wildcard, {"": t.any}} {
		for _, n := range trees {
			n.sort()
		}
	}
	return t
}

// tree returns the tree of a host pattern, made when it is new.
func (t *Table) tree(host string) *node {
	if host == "" {
		return t.any
	}
	trees, key := t.exact, strings.ToLower(host)
	if suffix, ok := strings.CutPrefix(key, "*."); ok {
		trees, key = t.wildcard, suffix
	}
	if trees[key] == nil {
		trees[key] = &node{}
	}
	return trees[key]
}

func (n *node) add(index int, m config.Match) {
	c := &candidate{index: index, methods: m.Methods}
	for name, value := range m.Header {
		c.header = append(c.header, exchange.Param{Name: name, Value: value})
	}
	path := m.Path
	if path == "" {
		path = "/"
	}
	prefix := strings.HasSuffix(path, "/")
	for segment := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		if segment == "" {
			continue
		}
		if name, ok := strings.CutPrefix(segment, "{"); ok {
			c.params = append(c.params, strings.TrimSuffix(name, "}"))
			if n.param == nil {
				n.param = &node{}
			}
			n = n.param
			continue
		}
		if n.literal == nil {
			n.literal = map[string]*node{}
		}
		if n.literal[segment] == nil {
			n.literal[segment] = &node{}
		}
		n = n.literal[segment]
	}
	if prefix {
		n.prefix = append(n.prefix, c)
	} else {
		n.exact = append(n.exact, c)
	}
}

// sort puts the candidates of every place in order, most specific first.
func (n *node) sort() {
	bySpecificity := func(a, b *candidate) int {
		return cmp.Or(
			cmp.Compare(len(b.header), len(a.header)),
			cmp.Compare(min(len(b.methods), 1), min(len(a.methods), 1)),
			cmp.Compare(a.index, b.index),
		)
	}
	slices.SortFunc(n.exact, bySpecificity)
	slices.SortFunc(n.prefix, bySpecificity)
	for _, child := range n.literal {
		child.sort()
	}
	if n.param != nil {
		n.param.sort()
	}
}
