package limit

import (
	"strings"

	"github.com/gabion-io/gabion/server/gateway/exchange"
)

// Identity finds out who is asking: the first of its sources that is present. It is the step before the limits.
type Identity []source

type source struct{ name, header string } // header "": the address of the client

// NewIdentity makes the step of a validated list such as [header:X-Api-Key, ip].
func NewIdentity(list []string) Identity {
	var id Identity
	for _, name := range list {
		header, _ := strings.CutPrefix(name, "header:")
		if name == "ip" {
			header = ""
		}
		id = append(id, source{name, header})
	}
	return id
}

// Enter implements [exchange.Step].
func (id Identity) Enter(x *exchange.Exchange) bool {
	for _, s := range id {
		if value := s.of(x); value != "" {
			x.Identity, x.IdentityFrom = value, s.name
			return true
		}
	}
	return true
}

// of is what the source says, "" when it is not present.
func (s source) of(x *exchange.Exchange) string {
	if s.header != "" {
		return x.Request.Header.Get(s.header)
	}
	return x.Request.From
}

// Leave implements [exchange.Step].
func (Identity) Leave(*exchange.Exchange) {}
