// Package resolve finds the addresses that an endpoint's URL stands for.
package resolve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	// timeout bounds a look-up.
	timeout = 2 * time.Second
	// maxAddresses bounds the addresses of one name.
	maxAddresses = 256
)

// Resolver finds the addresses of a host name. *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// errNone says that a name has no address.
var errNone = errors.New("no addresses")

// Fixed returns the address to dial, host and port, of a URL whose host needs no look-up: an IP address, or a name of
// the loopback interface. The latter stays a name: its addresses are one and the same machine, often with a server on
// only one of them, and the dialler tries both.
func Fixed(u *url.URL) (address string, ok bool) {
	host := u.Hostname()
	if _, err := netip.ParseAddr(host); err == nil {
		return net.JoinHostPort(host, port(u)), true
	}
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return net.JoinHostPort(host, port(u)), true
	}
	return "", false
}

// Address is what to dial for a URL whose host has been found to be ip.
func Address(u *url.URL, ip netip.Addr) string { return net.JoinHostPort(ip.String(), port(u)) }

func port(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

// Lookup finds the addresses of a host, sorted, each once. When there are IPv4 addresses, those of IPv6 are left out:
// mostly they are the same machines, which would count twice.
func Lookup(ctx context.Context, r Resolver, host string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	found, err := r.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", host, err)
	}
	for i := range found {
		found[i] = found[i].Unmap()
	}
	if slices.ContainsFunc(found, netip.Addr.Is4) {
		found = slices.DeleteFunc(found, netip.Addr.Is6)
	}
	found = slices.DeleteFunc(found, func(a netip.Addr) bool { return !a.IsValid() || a.IsUnspecified() })
	if len(found) == 0 {
		return nil, fmt.Errorf("look up %s: %w", host, errNone)
	}
	slices.SortFunc(found, netip.Addr.Compare)
	found = slices.Compact(found)
	return found[:min(len(found), maxAddresses)], nil
}
