package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// refuse says why a request may not be answered; nil when it may.
func (a *API) refuse(r *http.Request) *problem {
	given, has := bearer(r)
	want := a.Token()
	if has {
		if want != "" && same(given, want) {
			return nil
		}
		return &problem{Status: http.StatusUnauthorized, Title: "Wrong token", Detail: "The bearer token is not the configured one."}
	}
	switch {
	case !local(r) && want != "":
		return &problem{Status: http.StatusUnauthorized, Title: "Token needed", Detail: "Send the header Authorization: Bearer TOKEN."}
	case !local(r):
		return &problem{
			Status: http.StatusForbidden, Title: "Only from this host",
			Detail: "Without gateway.token, only clients on the gateway's own host may use the admin API, and not through a proxy.",
		}
	case !localName(r.Host):
		return &problem{
			Status: http.StatusForbidden, Title: "Wrong name",
			Detail: "Without a token, the admin API answers only under localhost or a loopback address.",
		}
	}
	if err := new(http.CrossOriginProtection).Check(r); err != nil {
		return &problem{Status: http.StatusForbidden, Title: "From another site", Detail: "A page of another site may not change anything here."}
	}
	return nil
}

// bearer is the token that the request carries. Credentials of another kind are a token that is wrong.
func bearer(r *http.Request) (token string, has bool) {
	field := r.Header.Get("Authorization")
	if field == "" {
		return "", false
	}
	scheme, token, _ := strings.Cut(field, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", true
	}
	return strings.TrimSpace(token), true
}

// same compares in a time that tells nothing about either, the length included.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// local says whether the client is on this host: its connection is, and it does not come on behalf of another.
func local(r *http.Request) bool {
	for _, by := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via"} {
		if r.Header[by] != nil {
			return false
		}
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && peer.Addr().Unmap().IsLoopback()
}

// localName says whether a Host field names this host from within.
func localName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}
