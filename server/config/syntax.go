package config

import (
	"net/netip"
	"slices"
	"strings"
)

// isToken says whether s is a token of RFC 9110, section 5.6.2: what a method or the name of a header field can be.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return false
		}
		return !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

// isFieldValue says whether s can be the value of a header field.
func isFieldValue(s string) bool {
	return s == strings.TrimSpace(s) && !strings.ContainsFunc(s, func(r rune) bool { return (r < ' ' && r != '\t') || r == 0x7f })
}

// isHostname says whether s is the name of a host: labels of letters, digits, "-" and "_" between dots.
func isHostname(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		bad := strings.ContainsFunc(label, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
		})
		if bad || label == "" || len(label) > 63 || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return false
		}
	}
	return true
}

// hostProblem says what is wrong with the host of a match, "" when nothing is.
func hostProblem(host string) string {
	name, wildcard := strings.CutPrefix(host, "*.")
	_, ipErr := netip.ParseAddr(name)
	switch {
	case ipErr == nil && !wildcard, isHostname(name) && !strings.Contains(host[1:], "*"):
		return ""
	case strings.Contains(name, "*"):
		return "can have * only as its first label, as in *.example.org"
	case strings.Contains(name, "://"), strings.Contains(name, "/"):
		return "is a host alone, without scheme and path"
	case strings.Contains(name, ":"):
		return "is a host without its port"
	}
	return "is not the name of a host"
}

// maxParams bounds the parameters of a path; the routing table has room for as many.
const maxParams = 16

// pathProblem says what is wrong with the path of a match, "" when nothing is.
func pathProblem(path string) string {
	if !strings.HasPrefix(path, "/") {
		return "must begin with a slash"
	}
	for _, r := range path {
		switch {
		case r == '?' || r == '#':
			return "is a path alone; the query is not matched"
		case r == '%':
			return "is matched after decoding: write the characters themselves instead of %XX"
		case r == '*':
			return "has no wildcards: {name} stands for one segment, and a path that ends in a slash is a prefix"
		case r <= ' ' || r == 0x7f || r == '\\':
			return "holds a character that no path has"
		}
	}
	return segmentsProblem(strings.Split(strings.TrimSuffix(path[1:], "/"), "/"), path)
}

func segmentsProblem(segments []string, path string) string {
	var params []string
	for _, s := range segments {
		if s == "." || s == ".." || (s == "" && path != "/") {
			return "is matched after cleaning: it cannot have empty, . or .. segments"
		}
		if !strings.ContainsAny(s, "{}") {
			continue
		}
		name := strings.TrimSuffix(strings.TrimPrefix(s, "{"), "}")
		switch {
		case len(s) != len(name)+2:
			return "has a brace within a segment; a parameter is a whole segment, such as /product/{id}"
		case !isParam(name):
			return "has a parameter that is not a name of letters, digits and _: {" + name + "}"
		case slices.Contains(params, name):
			return "has the parameter {" + name + "} twice"
		}
		params = append(params, name)
	}
	if len(params) > maxParams {
		return "has more than " + itoa(maxParams) + " parameters"
	}
	return ""
}

func isParam(name string) bool {
	for i, r := range name {
		letter := (r >= 'a' && r <= 'z') || (r >= 'A' && r <= 'Z') || r == '_'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return name != ""
}
