package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// Bounds of what is read. They are far above any real configuration.
const (
	maxSource = 4 << 20 // bytes of a file
	maxDepth  = 64      // sections within sections
	maxNodes  = 200_000 // values, after aliases have been put in place
)

type nodeKind uint8

const (
	nullNode nodeKind = iota
	scalarNode
	listNode
	mapNode
)

// node is a value at its place, with aliases and merges resolved.
type node struct {
	at   place
	kind nodeKind
	// text is a scalar as it reads; plain is set when it stands without quotes.
	text  string
	plain bool
	// tag is the scalar's YAML type, such as "!!int".
	tag string
	// flow is set for a list or mapping in brackets.
	flow bool
	// key is the key that this is the value of, nil in a list and at the top.
	key     *node
	items   []*node // of a list, or the values of a mapping
	byKey   map[string]*node
	aliased bool
}

// where is the token to point at when the node as a whole is wrong.
func (n *node) where() place {
	if n.key != nil && (n.kind == nullNode || (n.kind != scalarNode && !n.flow)) {
		return n.key.at
	}
	return n.at
}

// tree makes nodes of YAML.
type tree struct {
	*report
	src *source
	// count is how many nodes were made; full is set when it came to the bound.
	count int
	full  bool
	// open are the anchors whose content is being made.
	open map[*yaml.Node]bool
}

// parseTree reads a document. It returns nil after reporting a problem that leaves nothing to work on.
func parseTree(r *report, src *source, text []byte) *node {
	t := &tree{report: r, src: src, open: map[*yaml.Node]bool{}}
	if !t.readable(text) {
		return nil
	}
	loader, err := yaml.NewLoader(bytes.NewReader(text))
	if err != nil {
		t.add(t.at(1, 1, ""), "", "cannot read YAML: %v", err)
		return nil
	}
	var doc yaml.Node
	switch err := loader.Load(&doc); {
	case errors.Is(err, io.EOF):
		t.add(t.at(1, 1, ""), "", "there is nothing in it; `gabion init` writes a file to start from")
		return nil
	case err != nil:
		t.syntax(err)
		return nil
	}
	var second yaml.Node
	switch err := loader.Load(&second); {
	case errors.Is(err, io.EOF):
	case err != nil:
		t.syntax(err)
	default:
		t.add(t.at(second.Line, second.Column, ""), "", "starts a second document; a configuration is one document")
	}
	if len(doc.Content) != 1 {
		t.add(t.at(1, 1, ""), "", "there is nothing in it; `gabion init` writes a file to start from")
		return nil
	}
	return t.build(doc.Content[0], 0)
}

func (t *tree) at(line, col int, value string) place {
	return t.src.token(max(line, 1), max(col, 1), value)
}

// readable refuses what is not a text.
func (t *tree) readable(text []byte) bool {
	if len(text) > maxSource {
		t.add(t.at(1, 1, ""), "", "is larger than %v, which is more than any configuration", Size(maxSource))
		return false
	}
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
		t.add(t.at(1, 1, ""), "", "is UTF-16; save it as UTF-8")
		return false
	}
	line, start := 1, 0
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if problem := unreadable(r, size, text[i:]); problem != "" {
			t.add(t.at(line, utf8.RuneCount(text[start:i])+1, ""), "", "%s", problem)
			return false
		}
		i += size
		if r == '\n' {
			line, start = line+1, i
		}
	}
	return true
}

// unreadable says what is wrong with the character that rest starts with. Line ends that only some programs see are
// refused, because nobody would agree on the number of a line.
func unreadable(r rune, size int, rest []byte) string {
	switch {
	case r == utf8.RuneError && size == 1:
		return fmt.Sprintf("byte 0x%02x is not UTF-8; save the file as UTF-8", rest[0])
	case r == '\r' && !bytes.HasPrefix(rest, []byte("\r\n")):
		return "carriage return within a line; lines end in a line feed"
	case (r < ' ' && r != '\t' && r != '\r' && r != '\n') || (r >= 0x7f && r < 0xa0) || r == 0x2028 || r == 0x2029:
		return fmt.Sprintf("control character U+%04X; is this a text file?", r)
	}
	return ""
}

// plainer explains what the parser says.
var plainer = []struct{ says, means string }{
	{"found character that cannot start any token", "this character cannot start a value; put the value in quotes"},
	{"mapping values are not allowed in this context", "a key and its value cannot stand here; is the line above indented as it should be, or does a value with a colon lack quotes?"},
	{"did not find expected key", "expected a key here; is the line indented like the others of its section?"},
	{"did not find expected '-' indicator", "expected a list item that starts with \"- \" here; is the line indented like the others of its list?"},
	{"did not find expected ',' or ']'", "expected a comma or the ] that ends the list"},
	{"did not find expected ',' or '}'", "expected a comma or the } that ends the section"},
	{"found unexpected end of stream", "a quote is opened and never closed"},
	{"could not find expected ':'", "expected a colon after a key"},
	{"exceeded max depth", "sections are nested too deeply"},
	{"found incompatible YAML document", "this YAML version is not supported; leave the %YAML line out"},
}

func (t *tree) syntax(err error) {
	t.src.hideSuspects()
	var load *yaml.LoadError
	if !errors.As(err, &load) {
		t.add(t.at(1, 1, ""), "", "not valid YAML: %v", err)
		return
	}
	message := load.Message
	for _, p := range plainer {
		if strings.Contains(message, p.says) {
			message = p.means
		}
	}
	at := t.blame(load)
	if col := tabIndent(t.src.lines[at.line-1]); col > 0 {
		at.col, at.length = col, 1
		message = "a tab cannot indent YAML; use spaces"
	}
	t.add(at, "", "not valid YAML: %s", message)
}

// blame is the place of a syntax error: where it was found or, when that is the end of the file, what was opened and
// not closed before.
func (t *tree) blame(load *yaml.LoadError) place {
	last := len(t.src.lines)
	for last > 1 && len(t.src.lines[last-1]) == 0 {
		last--
	}
	switch mark := load.Mark; {
	case mark.Line <= last:
		return t.at(mark.Line, mark.Column, "")
	case load.ContextMark.Line > 0 && load.ContextMark.Line <= last:
		return t.at(load.ContextMark.Line, load.ContextMark.Column, "")
	}
	return t.at(last, len(t.src.lines[last-1]), "")
}

// tabIndent is the column of a tab in a line's indentation, 0 when there is none.
func tabIndent(line []rune) int {
	return slices.Index(line[:indentation(line)], '\t') + 1
}

// build makes the node of n.
func (t *tree) build(n *yaml.Node, depth int) *node {
	made := &node{at: t.at(n.Line, n.Column, n.Value)}
	t.count++
	switch {
	case t.full:
		return made
	case t.count > maxNodes:
		t.full = true
		t.add(made.at, "", "holds more than %d values when aliases are put in place", maxNodes)
		return made
	case depth > maxDepth:
		t.full = true
		t.add(made.at, "", "is nested more than %d deep", maxDepth)
		return made
	}
	if n.Style&yaml.TaggedStyle != 0 && !strings.HasPrefix(n.ShortTag(), "!!") {
		t.add(made.at, "", "tag %s is not known; values have the type of their key", shorten(n.Tag, 60))
	}
	switch n.Kind {
	case yaml.AliasNode:
		return t.alias(n, depth)
	case yaml.MappingNode:
		made.kind, made.flow = mapNode, n.Style&yaml.FlowStyle != 0
		t.mapping(made, n, depth)
	case yaml.SequenceNode:
		made.kind, made.flow = listNode, n.Style&yaml.FlowStyle != 0
		for _, item := range n.Content {
			made.items = append(made.items, t.build(item, depth+1))
		}
	default:
		made.text, made.tag = n.Value, n.ShortTag()
		made.plain = n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
		if made.tag != "!!null" {
			made.kind = scalarNode
		}
	}
	return made
}

func (t *tree) alias(n *yaml.Node, depth int) *node {
	if n.Alias == nil || t.open[n.Alias] {
		at := t.at(n.Line, n.Column, "*"+n.Value)
		t.add(at, "", "alias *%s stands within what it names", n.Value)
		return &node{at: at}
	}
	t.open[n.Alias] = true
	defer delete(t.open, n.Alias)
	made := t.build(n.Alias, depth+1)
	made.aliased = true
	return made
}

// mapping fills a mapping. Keys of its own win over merged ones.
func (t *tree) mapping(made *node, n *yaml.Node, depth int) {
	made.byKey = map[string]*node{}
	var merges []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind == yaml.ScalarNode && k.ShortTag() == "!!merge" {
			merges = append(merges, v)
			continue
		}
		key := t.build(k, depth+1)
		if key.kind != scalarNode {
			t.add(key.at, "", "a key must be a single word")
			continue
		}
		if first := made.byKey[key.text]; first != nil {
			t.add(key.at, "", "key %q is given twice; the first is on line %d", key.text, first.key.at.line)
			continue
		}
		made.set(key, t.build(v, depth+1))
	}
	for _, merge := range merges {
		t.merge(made, t.build(merge, depth+1))
	}
}

// merge adds what the "<<" key brings: a mapping, or a list of them in which the first wins.
func (t *tree) merge(made, from *node) {
	if t.full {
		return
	}
	switch from.kind {
	case mapNode:
		for _, v := range from.items {
			if made.byKey[v.key.text] == nil {
				made.set(v.key, v)
			}
		}
	case listNode:
		for _, item := range from.items {
			if item.kind != mapNode {
				t.add(item.at, "", "only sections can be merged")
				continue
			}
			t.merge(made, item)
		}
	default:
		t.add(from.at, "", "only sections can be merged")
	}
}

// set puts a value under a key, in place of what was there.
func (n *node) set(key, value *node) {
	value.key = key
	if old := n.byKey[key.text]; old != nil {
		for i := range n.items {
			if n.items[i] == old {
				n.items[i] = value
			}
		}
	} else {
		n.items = append(n.items, value)
	}
	n.byKey[key.text] = value
}
