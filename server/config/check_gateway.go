package config

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// gateway checks where the gateway listens, and returns that.
func (c *checker) gateway() (taken []address) {
	g := &c.file.Gateway
	if len(g.Listen) == 0 {
		c.fail("gateway.listen", "gateway.listen is an empty list; the gateway needs an address")
	}
	for i, l := range g.Listen {
		path := item("gateway.listen", i)
		at := join(path, "address")
		if a, ok := c.address(at, l.Address); ok {
			c.free(at, a, taken)
			taken = append(taken, a)
		}
		if l.TLS != nil && (l.TLS.Cert == "" || l.TLS.Key == "") {
			c.fail(path+".tls", "%s.tls needs both cert and key", path)
		}
	}
	if a, ok := c.address("gateway.admin", g.Admin); ok {
		c.free("gateway.admin", a, taken)
		taken = append(taken, a)
		if !a.loopback() && g.Token.IsZero() && c.readable("gateway.token") {
			c.fail("gateway.admin", "gateway.admin %q can be reached from other hosts, so gateway.token must be set", g.Admin).
				allow("a loopback address such as 127.0.0.1:8081", "or gateway.token: {env: NAME} or {file: PATH}")
		}
	}
	return taken
}

// address is where something listens. An empty host is all interfaces.
type address struct {
	host string
	port int
	path string
}

// address reads host:port.
func (c *checker) address(path, text string) (address, bool) {
	host, portText, err := net.SplitHostPort(text)
	port, portErr := strconv.ParseUint(portText, 10, 16)
	if err != nil || portErr != nil {
		p := c.fail(path, "%s takes host:port or :port, not %q", path, clip(text))
		if _, err := strconv.ParseUint(text, 10, 16); err == nil {
			p.Suggestion = strconv.Quote(":" + text)
		}
		return address{}, false
	}
	if _, err := netip.ParseAddr(host); host != "" && err != nil && !isHostname(host) {
		c.fail(path, "%s: %q is not a host", path, clip(host))
		return address{}, false
	}
	return address{strings.ToLower(host), int(port), path}, true
}

// free checks that an address does not collide with those taken. Port 0 is any free port.
func (c *checker) free(path string, a address, taken []address) {
	for _, b := range taken {
		if a.port == b.port && a.port != 0 && (a.host == b.host || a.everywhere() || b.everywhere()) {
			c.fail(path, "%s: port %d is already taken by %s", path, a.port, b.path)
			return
		}
	}
}

func (a address) everywhere() bool {
	ip, err := netip.ParseAddr(a.host)
	return a.host == "" || (err == nil && ip.IsUnspecified())
}

func (a address) loopback() bool {
	ip, err := netip.ParseAddr(a.host)
	return a.host == "localhost" || (err == nil && ip.Unmap().IsLoopback())
}
