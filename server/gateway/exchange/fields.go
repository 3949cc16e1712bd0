package exchange

import (
	"iter"
	"net/textproto"
	"slices"
	"strings"
)

// Fields is a [Header] in a map with canonical names as keys. An http.Header converts to it and back at no cost:
// Fields(h), http.Header(f).
type Fields map[string][]string

// NewFields makes empty Fields.
func NewFields() Fields { return make(Fields) }

// Get returns the first value of a field, "" when there is none.
func (f Fields) Get(name string) string {
	if vs := f.Values(name); len(vs) > 0 {
		return vs[0]
	}
	return ""
}

// Values returns all values of a field. The caller must not change them.
func (f Fields) Values(name string) []string {
	if vs, ok := f[name]; ok {
		return vs
	}
	return f[textproto.CanonicalMIMEHeaderKey(name)]
}

// Set replaces a field.
func (f Fields) Set(name, value string) {
	f[textproto.CanonicalMIMEHeaderKey(name)] = []string{value}
}

// Add adds a line to a field.
func (f Fields) Add(name, value string) {
	name = textproto.CanonicalMIMEHeaderKey(name)
	vs := f[name]
	// The slice may be shared with another message: never write into its spare room.
	f[name] = append(slices.Clip(vs), value)
}

// Del removes a field.
func (f Fields) Del(name string) { delete(f, textproto.CanonicalMIMEHeaderKey(name)) }

// All yields every field line.
func (f Fields) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for name, vs := range f {
			for _, v := range vs {
				if !yield(name, v) {
					return
				}
			}
		}
	}
}

// hopByHop are the fields that concern one connection only (RFC 9110 §7.6.1) and are never sent on.
var hopByHop = [...]string{
	"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// HopByHop says whether a field, by its canonical name, concerns one connection only whatever Connection lists.
func HopByHop(name string) bool {
	for _, h := range hopByHop {
		if h == name {
			return true
		}
	}
	return false
}

// DropHopByHop removes the fields that concern one connection only, those that Connection lists included.
func DropHopByHop(h Header) {
	for name := range Tokens(h.Values("Connection")) {
		h.Del(name)
	}
	for _, name := range hopByHop {
		h.Del(name)
	}
}

// Tokens yields the members of a comma-separated list that may be spread over several lines, without blanks and
// empty members.
func Tokens(lines []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, line := range lines {
			for line != "" {
				var token string
				token, line, _ = strings.Cut(line, ",")
				if token = strings.Trim(token, " \t"); token != "" && !yield(token) {
					return
				}
			}
		}
	}
}

// HasToken says whether a comma-separated list holds a token, in any case.
func HasToken(lines []string, token string) bool {
	for t := range Tokens(lines) {
		if strings.EqualFold(t, token) {
			return true
		}
	}
	return false
}
