package front

import "strings"

// forwardedFor gives the nodes of Forwarded (RFC 7239) in the order in which they stand there, as X-Forwarded-For has
// them. An element that names none is "unknown": what it says about the way of the request must not be skipped. A line
// that is malformed makes all that stands left of its fault worthless.
func forwardedFor(lines []string) (nodes []string) {
	for _, line := range lines {
		for line != "" {
			element, rest := element(line)
			line = rest
			if strings.Trim(element, " \t") != "" {
				nodes = append(nodes, node(element))
			}
		}
	}
	return nodes
}

// element cuts the first element of a list off. Commas in quotes belong to it.
func element(s string) (first, rest string) {
	if end := unquoted(s, ','); end >= 0 {
		return s[:end], s[end+1:]
	}
	return s, ""
}

// unquoted is where c stands in s outside of quotes, -1 when it does not.
func unquoted(s string, c byte) int {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case !quoted && s[i] == c:
			return i
		}
	}
	return -1
}

// node is what an element says with "for".
func node(element string) string {
	for pair := element; pair != ""; {
		end := unquoted(pair, ';')
		next := ""
		if end >= 0 {
			pair, next = pair[:end], pair[end+1:]
		}
		name, value, ok := strings.Cut(strings.Trim(pair, " \t"), "=")
		if ok && strings.EqualFold(name, "for") {
			return strings.Trim(value, `"`)
		}
		pair = next
	}
	return "unknown"
}
