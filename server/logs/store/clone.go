package store

import (
	"slices"
	"strings"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// clone copies a line and all that belongs to it.
func clone(e *entry.Entry) *entry.Entry {
	own := *e
	for _, s := range []*string{&own.Service, &own.Instance, &own.Handler, &own.Trace, &own.Span, &own.Message} {
		*s = strings.Clone(*s)
	}
	own.Attrs = slices.Clone(e.Attrs)
	for i, a := range e.Attrs {
		own.Attrs[i] = entry.Attr{Name: strings.Clone(a.Name), Value: strings.Clone(a.Value)}
	}
	return &own
}
