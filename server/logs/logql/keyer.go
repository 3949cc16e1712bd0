package logql

import (
	"slices"
	"strings"
)

// keyer tells which series a line belongs to.
type keyer struct {
	by      []string        // the labels that remain, sorted; nil: all but without
	without map[string]bool // and the label of unwrap
	names   map[string]bool // structured metadata that the query names
	found   []field
	buffer  []byte
}

func newKeyer(e *RangeExpr, g *Grouping, names map[string]bool) *keyer {
	k := &keyer{without: map[string]bool{}, names: names}
	if u, ok := e.Log.unwrap(); ok {
		k.without[u.Label] = true
	}
	switch {
	case g == nil:
	case g.Without:
		for _, name := range g.Labels {
			k.without[name] = true
		}
	default:
		k.by = slices.Compact(slices.Sorted(slices.Values(g.Labels)))
		if k.by == nil {
			k.by = []string{}
		}
	}
	return k
}

// key is the same for lines of the same series. It is valid until the next call.
func (k *keyer) key(r *record) []byte {
	k.found = k.found[:0]
	if k.by != nil {
		for _, name := range k.by {
			if value, _ := r.get(name); value != "" {
				k.found = append(k.found, field{name: name, value: value})
			}
		}
	} else {
		r.fill()
		for _, f := range r.fields {
			if f.value != "" && !k.without[f.name] && (f.origin != ofMeta || k.names[f.name]) {
				k.found = append(k.found, f)
			}
		}
		slices.SortFunc(k.found, func(a, b field) int { return strings.Compare(a.name, b.name) })
	}
	k.buffer = k.buffer[:0]
	for _, f := range k.found {
		k.buffer = append(k.buffer, f.name...)
		k.buffer = append(k.buffer, 0xff) // no name has it
		k.buffer = appendEscaped(k.buffer, f.value)
		k.buffer = append(k.buffer, 0xff)
	}
	return k.buffer
}

// appendEscaped appends a value so that it has no 0xff, which ends it.
func appendEscaped(b []byte, s string) []byte {
	if strings.IndexByte(s, 0xff) < 0 && strings.IndexByte(s, 0xfe) < 0 {
		return append(b, s...)
	}
	for i := range len(s) {
		if s[i] >= 0xfe {
			b = append(b, 0xfe, s[i]-0xfe)
		} else {
			b = append(b, s[i])
		}
	}
	return b
}

// labels are those of the line that key was last asked for.
func (k *keyer) labels() Labels {
	list := make(Labels, len(k.found))
	for i, f := range k.found {
		list[i] = Label{f.name, strings.Clone(f.value)}
	}
	return list
}

// keep are the labels that a grouping leaves.
func (g *Grouping) keep(l Labels) Labels {
	if g == nil {
		return nil
	}
	return pick(l, g.Labels, !g.Without)
}

// pick are the labels that are in the list, or those that are not.
func pick(l Labels, names []string, in bool) Labels {
	var out Labels
	for _, x := range l {
		if slices.Contains(names, x.Name) == in {
			out = append(out, x)
		}
	}
	return out
}
