package front

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/gateway/exchange"
)

// path sets the path to match by and the target to send on. An encoded slash is part of a segment and not the border
// of two: it stays "%2F". What could mean one thing here and another thing behind is refused.
func (s *session) path() *exchange.Problem {
	u, request := s.r.URL, &s.x.Request
	request.Path = u.Path
	if s.r.Method == http.MethodConnect || s.r.Method == http.MethodTrace {
		return &exchange.Problem{Type: exchange.MethodNotAllowed, Allow: methods, Detail: "This gateway opens no tunnels and echoes nothing."}
	}
	if strings.IndexByte(request.Target, '#') >= 0 {
		return &exchange.Problem{Type: exchange.BadRequest, Detail: "The request target holds a fragment."}
	}
	if len(request.Target) == 0 || request.Target[0] != '/' {
		if u.Path == "" && u.Host == "" || u.Path == "*" || u.Opaque != "" || s.r.ProtoMajor != 1 {
			return &exchange.Problem{Type: exchange.BadRequest, Detail: "The request target is not a path."}
		}
		request.Target = u.RequestURI() // it came in absolute form
		if u.Path == "" {
			request.Path = "/"
		}
	}
	if strings.Contains(u.RawPath, "%2F") || strings.Contains(u.RawPath, "%2f") {
		kept := strings.NewReplacer("%2F", "%252F", "%2f", "%252F").Replace(u.RawPath)
		path, err := url.PathUnescape(kept)
		if err != nil {
			return &exchange.Problem{Type: exchange.BadRequest, Detail: "The path is not encoded correctly."}
		}
		request.Path = path
	}
	if why := bad(u.Path); why != "" {
		return &exchange.Problem{Type: exchange.BadRequest, Detail: why}
	}
	return nil
}

// methods are those that a gateway can pass on whatever the routes say.
var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

// host checks which host is meant. net/http lets characters pass that mean something else elsewhere.
func (s *session) host() *exchange.Problem {
	host, r := s.r.Host, s.r
	if host == "" {
		if r.ProtoAtLeast(1, 1) {
			return &exchange.Problem{Type: exchange.BadRequest, Detail: "The request names no host."}
		}
		return nil
	}
	for i := range len(host) {
		if c := host[i]; !hostByte(c) {
			return &exchange.Problem{Type: exchange.BadRequest, Detail: "The name of the host is malformed."}
		}
	}
	if also := r.Header["Host"]; len(also) > 0 { // with HTTP/2, beside :authority
		if len(also) > 1 || !strings.EqualFold(also[0], host) {
			return &exchange.Problem{Type: exchange.BadRequest, Detail: "The request names different hosts."}
		}
		delete(r.Header, "Host")
	}
	if len(r.Header["Content-Length"]) > 1 { // with HTTP/2: net/http takes the first
		return &exchange.Problem{Type: exchange.BadRequest, Detail: "The request has more than one Content-Length."}
	}
	return nil
}

// hostByte says whether c may be in a host and port: a name, an IPv4 address, or an IPv6 address in brackets.
func hostByte(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', '0' <= c && c <= '9', 'A' <= c && c <= 'Z':
		return true
	}
	switch c {
	case '.', '-', ':', '_', '[', ']', '~', '%':
		return true
	}
	return false
}

// bad says what is wrong with a decoded path.
func bad(path string) string {
	for i := range len(path) {
		switch c := path[i]; {
		case c < ' ' || c == 0x7f:
			return "The path holds control characters."
		case c == '\\':
			return "The path holds a backslash."
		case c == '.' && i > 0 && path[i-1] == '/' && dots(path[i:]):
			return "The path holds a segment of dots."
		}
	}
	return ""
}

// dots says whether s begins with a segment "." or "..".
func dots(s string) bool {
	s = strings.TrimPrefix(s[1:], ".")
	return s == "" || s[0] == '/' || s[0] == ';'
}

// addresses finds out who is asking, and drops what only a trusted hop may say when the peer is not one.
func (s *session) addresses(cfg *Config) {
	request := &s.x.Request
	request.Peer = s.link.peer
	request.Client, request.From = request.Peer, host(s.r.RemoteAddr, request.Peer)
	trusted := in(cfg.Trusted, request.Peer)
	if trusted {
		lines := s.r.Header["X-Forwarded-For"]
		if len(lines) == 0 {
			lines = forwardedFor(s.r.Header["Forwarded"])
		}
		request.Client = client(lines, request.Peer, cfg.Trusted)
		request.From = request.Client.String()
	}
	for name := range s.r.Header {
		if !trusted && privileged(name) {
			delete(s.r.Header, name)
		}
	}
}

// host is the text of the address a in remote, which is a with a port. For IPv4 it stands there already.
func host(remote string, a netip.Addr) string {
	if at := strings.LastIndexByte(remote, ':'); a.Is4() && at > 0 && strings.IndexByte(remote, ':') == at {
		return remote[:at]
	}
	return a.String()
}

// privileged says whether only a trusted hop may send a field.
func privileged(name string) bool {
	switch name[0] {
	case 'F':
		return name == "Forwarded"
	case 'G':
		return strings.HasPrefix(name, "Gabion-")
	case 'X':
		return strings.HasPrefix(name, "X-Forwarded-") || name == "X-Real-Ip" ||
			strings.HasPrefix(name, "X-Gabion-") && name != "X-Gabion-Timeout-Ms"
	}
	return false
}

func in(networks []config.Prefix, a netip.Addr) bool {
	for _, n := range networks {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

// client walks X-Forwarded-For from the right: every trusted hop is believed about the one before it. The first
// address that is not trusted is the client's; what stands left of it can be made up.
func client(lines []string, peer netip.Addr, trusted []config.Prefix) netip.Addr {
	at := peer
	for _, rest := range slices.Backward(lines) {
		for rest != "" {
			cut := strings.LastIndexByte(rest, ',')
			item := strings.Trim(rest[cut+1:], " \t")
			rest = rest[:max(cut, 0)]
			if item == "" {
				continue
			}
			a, ok := address(item)
			if !ok {
				return at
			}
			if at = a; !in(trusted, at) {
				return at
			}
		}
	}
	return at
}

// address reads an address with or without a port.
func address(s string) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return a.Unmap().WithZone(""), true
	}
	at, err := netip.ParseAddrPort(s)
	return at.Addr().Unmap().WithZone(""), err == nil
}
