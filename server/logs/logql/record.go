package logql

import (
	"cmp"
	"slices"
	"strings"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// Label is a name and a value.
type Label struct{ Name, Value string }

// Labels are sorted by name.
type Labels []Label

// Get returns the value of a label, "" when it is not there.
func (l Labels) Get(name string) string {
	for i := range l {
		if l[i].Name == name {
			return l[i].Value
		}
	}
	return ""
}

// String writes them as {a="x", b="y"}.
func (l Labels) String() string {
	parts := make([]string, len(l))
	for i, x := range l {
		parts[i] = x.Name + "=" + quote(x.Value)
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// origin is where a label of a record comes from.
type origin uint8

const (
	ofStream origin = iota // the entry itself
	ofMeta                 // structured metadata
	ofParser               // a stage
)

type field struct {
	name, value string
	origin      origin
}

// The labels that tell what went wrong with a line.
const (
	errorLabel  = "__error__"
	detailLabel = "__error_details__"
)

// maxFields is how many labels a line can have; what a parser finds beyond is left out.
const maxFields = 512

// record is a line on its way through the stages. It is used for one line after the other.
type record struct {
	entry  *entry.Entry
	time   int64
	text   string
	fields []field
	filled bool
	// problem and detail are the values of __error__ and __error_details__.
	problem, detail string
	value           float64 // what unwrap took
	scratch         map[string]string
}

// step is a compiled stage.
type step func(r *record) bool

func (r *record) reset(e *entry.Entry) {
	r.entry, r.time, r.text = e, e.Time, e.Message
	r.fields, r.filled = r.fields[:0], false
	r.problem, r.detail, r.value = "", "", 0
}

// fill makes labels of the entry, when they are first asked for.
func (r *record) fill() {
	if r.filled {
		return
	}
	r.filled = true
	e := r.entry
	for _, f := range [...]field{
		{"level", e.Level.String(), ofStream},
		{"service", e.Service, ofStream},
		{"instance", e.Instance, ofStream},
		{"handler", e.Handler, ofStream},
		{"trace_id", e.Trace, ofMeta},
		{"span_id", e.Span, ofMeta},
	} {
		if f.value != "" {
			r.fields = append(r.fields, f)
		}
	}
	for i := range e.Attrs {
		name := LabelName(e.Attrs[i].Name)
		if reserved(name) || r.index(name) >= 0 {
			name += "_extracted"
		}
		r.put(name, e.Attrs[i].Value, ofMeta)
	}
}

func (r *record) index(name string) int {
	for i := range r.fields {
		if r.fields[i].name == name {
			return i
		}
	}
	return -1
}

// get returns the value of a label.
func (r *record) get(name string) (string, bool) {
	switch name {
	case errorLabel:
		return r.problem, r.problem != ""
	case detailLabel:
		return r.detail, r.detail != ""
	}
	if !r.filled { // no stage has set anything yet
		if own := ownField(r.entry, cmp.Or(aliases[name], name)); own != "" {
			return own, true
		}
	}
	r.fill()
	i := r.index(name)
	if i < 0 && aliases[name] != "" {
		i = r.index(aliases[name])
	}
	if i < 0 {
		return "", false
	}
	return r.fields[i].value, true
}

// put sets a label, whatever it was before.
func (r *record) put(name, value string, from origin) {
	switch name {
	case errorLabel:
		r.problem = value
		return
	case detailLabel:
		r.detail = value
		return
	}
	r.fill()
	if i := r.index(name); i >= 0 {
		r.fields[i] = field{name, value, from}
	} else if len(r.fields) < maxFields {
		r.fields = append(r.fields, field{name, value, from})
	}
}

// reserved reports whether lines must not set the label: one that tells what went wrong, or another name of one.
func reserved(name string) bool {
	return name == errorLabel || name == detailLabel || aliases[name] != ""
}

// extract sets what a parser found. It never replaces what the entry has, but for a level that is not known.
func (r *record) extract(name, value string) {
	r.fill()
	if reserved(name) {
		name += "_extracted"
	} else if i := r.index(name); i >= 0 && r.fields[i].origin != ofParser && (name != "level" || r.entry.Level != entry.Unknown) {
		name += "_extracted"
	}
	r.put(name, value, ofParser)
}

func (r *record) remove(name string) {
	switch name {
	case errorLabel:
		r.problem = ""
		return
	case detailLabel:
		r.detail = ""
		return
	}
	r.fill()
	if i := r.index(name); i >= 0 {
		r.fields = slices.Delete(r.fields, i, i+1)
	}
}

// fail notes what went wrong; the first one stays. It returns true: the line is kept.
func (r *record) fail(problem, detail string) bool {
	if r.problem == "" {
		r.problem, r.detail = problem, detail
	}
	return true
}

// labels are those of one origin, sorted.
func (r *record) labels(from origin) Labels {
	r.fill()
	var list Labels
	for _, f := range r.fields {
		if f.origin == from {
			list = append(list, Label{f.name, strings.Clone(f.value)})
		}
	}
	if from == ofParser && r.problem != "" {
		list = append(list, Label{errorLabel, r.problem}, Label{detailLabel, r.detail})
	}
	slices.SortFunc(list, func(a, b Label) int { return strings.Compare(a.Name, b.Name) })
	return list
}
