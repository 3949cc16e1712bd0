package config

import (
	"net/textproto"
	"strings"
)

// normalize brings names into the one form that the rest of the program compares: header names canonical, hosts in
// lower case, and every route with a name.
func normalize(d *decoder, f *File) {
	for i := range f.Routes {
		r := &f.Routes[i]
		r.Match.Host = strings.ToLower(r.Match.Host)
		r.Match.Header = canonicalFields(d, r.Match.Header, join(join(item("routes", i), "match"), "header"))
		for j := range r.Identity {
			r.Identity[j] = canonicalSource(r.Identity[j])
		}
	}
	for name, limit := range f.Limits {
		for j := range limit.Key {
			limit.Key[j] = canonicalSource(limit.Key[j])
		}
		f.Limits[name] = limit
	}
	nameRoutes(f.Routes)
}

// canonicalFields brings the names of header fields into canonical form.
func canonicalFields(d *decoder, fields map[string]string, path string) map[string]string {
	canonical := make(map[string]string, len(fields))
	for _, name := range sorted(fields) {
		key, value := textproto.CanonicalMIMEHeaderKey(name), fields[name]
		if _, twice := canonical[key]; twice {
			d.add(d.given[join(path, name)].key.at, join(path, name), "%s is the same field as another one here: case does not matter", name)
		}
		canonical[key] = value
		if n := d.given[join(path, name)]; n != nil {
			d.given[join(path, key)] = n
		}
	}
	if fields == nil {
		return nil
	}
	return canonical
}

// canonicalSource brings the header's name in "header:x-api-key" into canonical form.
func canonicalSource(source string) string {
	if name, ok := strings.CutPrefix(source, headerSource); ok {
		return headerSource + textproto.CanonicalMIMEHeaderKey(name)
	}
	return source
}

// nameRoutes names the routes that have none after what they match, and what is the same for two of them after their
// place.
func nameRoutes(routes []Route) {
	used := map[string]bool{}
	for _, r := range routes {
		used[r.Name] = true
	}
	for i := range routes {
		if routes[i].Name != "" {
			continue
		}
		m := routes[i].Match
		path := m.Path
		if path == "" {
			path = "/"
		}
		name := m.Host + path
		if len(m.Methods) > 0 {
			name = strings.Join(m.Methods, ",") + " " + name
		}
		base := name
		for n := 2; used[name]; n++ {
			name = base + " #" + itoa(n)
		}
		used[name] = true
		routes[i].Name = name
	}
}
