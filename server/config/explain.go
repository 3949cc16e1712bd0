package config

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Explain writes what the key means that query names: a path, with or without the names of services and the like, or
// the end of one. An empty query lists the keys at the top. It fails when there is no such key.
func Explain(w io.Writer, query string) error {
	if query == "" {
		fmt.Fprintf(w, "gabion.yaml has these keys. `gabion explain KEY` says more about each.\n\n")
		return list(w, AllKeys())
	}
	found, err := Find(query)
	if err != nil {
		return err
	}
	if err := found[0].explain(w); err != nil {
		return err
	}
	if len(found) > 1 {
		fmt.Fprintf(w, "\nThere is also:\n")
		for _, k := range found[1:] {
			fmt.Fprintf(w, "  %s\n", k.Path)
		}
	}
	return nil
}

func unknownKey(query string) error {
	last := query[strings.LastIndexByte(query, '.')+1:]
	for _, keys := range planned {
		if slices.Contains(keys, last) {
			return fmt.Errorf("%s is not available yet in this version of Gabion", last)
		}
	}
	var names, paths []string
	for _, k := range Flatten(AllKeys()) {
		names = append(names, k.Name)
		paths = append(paths, k.Path)
	}
	best := nearest(query, paths)
	if best == "" {
		best = nearest(last, names)
	}
	if best == "" {
		return fmt.Errorf("there is no key %q; `gabion explain` lists them", query)
	}
	return fmt.Errorf("there is no key %q; did you mean %q?", query, best)
}

// Flatten lists keys and all keys below them, in the order of the tree.
func Flatten(keys []*Key) []*Key {
	var all []*Key
	for _, k := range keys {
		all = append(all, k)
		all = append(all, Flatten(k.Keys)...)
	}
	return all
}

var index = regexp.MustCompile(`\[[^\]]*\]`)

// Find returns the keys that a query means, as in [Explain], those with the shortest paths first. It fails when there
// is none.
func Find(query string) ([]*Key, error) {
	if found := find(query); len(found) > 0 {
		return found, nil
	}
	return nil, unknownKey(query)
}

func find(query string) []*Key {
	words := strings.Split(index.ReplaceAllString(query, ".*"), ".")
	found := direct(words)
	if last := len(words) - 1; len(found) == 0 && last > 0 {
		// The name of a service or the like: explain what it is one of.
		for _, k := range direct(words[:last]) {
			if len(k.Keys) > 0 && strings.HasPrefix(k.Keys[0].Path, k.Path+".*") {
				found = append(found, k)
			}
		}
	}
	slices.SortStableFunc(found, func(a, b *Key) int { return strings.Count(a.Path, ".") - strings.Count(b.Path, ".") })
	return found
}

// direct returns the key with a path, or else those whose paths end in it.
func direct(words []string) []*Key {
	var found []*Key
	for _, k := range Flatten(AllKeys()) {
		path := strings.Split(k.Path, ".")
		if matches(path, words) {
			return []*Key{k}
		}
		for i := range path {
			if path[i] == words[0] && matches(path[i:], words) {
				found = append(found, k)
			}
		}
	}
	return found
}

// matches says whether words are a path. A name, or the place in a list, may be left out.
func matches(path, words []string) bool {
	switch {
	case len(path) == 0 || len(words) == 0:
		return len(path) == len(words)
	case path[0] != "*":
		return path[0] == words[0] && matches(path[1:], words[1:])
	}
	return matches(path[1:], words) || matches(path[1:], words[1:])
}

func (k *Key) explain(w io.Writer) error {
	fmt.Fprintf(w, "%s\n\n  %s\n\n", k.Path, wrap(k.Doc, 100, "  "))
	facts := [][2]string{{"type", k.Type}, {"default", k.shownDefault()}}
	if k.Variable != "" {
		facts = append(facts, [2]string{"variable", k.Variable})
	}
	for _, f := range facts {
		fmt.Fprintf(w, "  %-9s %s\n", f[0]+":", f[1])
	}
	if len(k.Keys) > 0 {
		fmt.Fprintf(w, "\n  keys:\n")
		if err := list(w, k.Keys); err != nil {
			return err
		}
	}
	fmt.Fprintf(w, "\n  example:\n\n%s", indent(k.ExampleFile(), "    "))
	return nil
}

func (k *Key) shownDefault() string {
	switch {
	case k.Required:
		return "none, it is required"
	case k.Default != "":
		return k.Default
	default:
		return "that of its keys"
	}
}

// list writes one line for each key.
func list(w io.Writer, keys []*Key) error {
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	for _, k := range keys {
		fmt.Fprintf(table, "    %s\t%s\n", k.Name, firstSentence(k.Doc))
	}
	return table.Flush()
}

// firstSentence cuts a comment after its first sentence.
func firstSentence(doc string) string {
	if end := strings.Index(doc, ". "); end >= 0 {
		return doc[:end+1]
	}
	return doc
}

// wrap breaks a text into lines.
func wrap(text string, width int, lead string) string {
	var b strings.Builder
	column := 0
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case column+1+len(word) > width:
			b.WriteString("\n" + lead)
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}

func indent(text, lead string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(lead + line)
	}
	return b.String()
}

// names are what stands for "*" in examples, by the key before it.
var names = map[string]string{"services": "catalog", "limits": "per-user", "tiers": "gold", "overrides": "partner-7", "receivers": "ops"}

// ExampleFile is the key at its place in a file, with an example for its value.
func (k *Key) ExampleFile() string {
	var b strings.Builder
	depth, dash := 0, false
	write := func(text string) {
		lead := strings.Repeat("  ", depth)
		if dash {
			lead = lead[:len(lead)-2] + "- "
			dash = false
		}
		b.WriteString(lead + text + "\n")
	}
	parts := strings.Split(k.Path, ".")
	for i, part := range parts[:len(parts)-1] {
		if part == "*" {
			if name := names[parts[i-1]]; name != "" {
				write(name + ":")
			} else {
				dash = true
			}
		} else {
			write(part + ":")
		}
		depth++
	}
	write(k.valueLine())
	if k.Example == "" {
		k.body(func(extra int, text string) { b.WriteString(strings.Repeat("  ", depth+extra) + text + "\n") }, 1)
	}
	return b.String()
}

func (k *Key) valueLine() string {
	if k.Example == "" {
		return k.Name + ":"
	}
	return k.Name + ": " + yamlExample(k.Example)
}

// yamlExample quotes an example where YAML would read it as something else.
func yamlExample(text string) string {
	if strings.HasPrefix(text, ":") {
		return strconv.Quote(text)
	}
	return text
}

// alternatives are keys that examples of a section leave out, because another key there excludes them.
var alternatives = []string{
	"services.*.fallback.*.respond", "services.*.fallback.*.respond.body", "gateway.token.env", "alerts.receivers.*.webhook.url.env", "gateway.listen.*.tls",
	"services.*.standby.*.zone", "services.*.endpoints.*.zone",
}

// body writes an example of a section's keys.
func (k *Key) body(write func(depth int, text string), depth int) {
	parent := k.Path
	if len(k.Keys) > 0 && strings.HasPrefix(k.Keys[0].Path, k.Path+".*.") {
		parent += ".*"
		if name := names[k.Name]; name != "" {
			write(depth, name+":")
			depth++
		} else {
			depth++ // under the dash
		}
	}
	first := true
	for _, inner := range k.Keys {
		if slices.Contains(alternatives, inner.Path) || (inner.Example == "" && !inner.Required) {
			continue
		}
		text := inner.valueLine()
		if first && strings.HasSuffix(parent, "*") && names[k.Name] == "" {
			write(depth-1, "- "+text)
		} else {
			write(depth, text)
		}
		first = false
	}
}
