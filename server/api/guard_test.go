package api

import (
	"net/http"
	"strings"
	"testing"
)

func TestWhoMayAsk(t *testing.T) {
	const good, bad = "Bearer s3cret", "Bearer s3creT"
	for _, test := range []struct {
		name         string
		token        string // configured
		peer, host   string
		method, path string
		header       []string
		want         int
	}{
		{"this host", "", "127.0.0.1:1", "localhost:8081", "GET", "/api/v1/status", nil, 200},
		{"this host, IPv6", "", "[::1]:1", "[::1]:8081", "GET", "/api/v1/status", nil, 200},
		{"this host, mapped", "", "[::ffff:127.0.0.1]:1", "127.0.0.2", "GET", "/api/v1/status", nil, 200},
		{"this host changes", "", "127.0.0.1:1", "127.0.0.1:8081", "POST", "/api/v1/reload", nil, 200},
		{"this host does not need the token", "s3cret", "127.0.0.1:1", "localhost", "POST", "/api/v1/reload", nil, 200},
		{"this host with a wrong token", "s3cret", "127.0.0.1:1", "localhost", "GET", "/api/v1/status", []string{"Authorization", bad}, 401},
		{"a token where none is configured", "", "127.0.0.1:1", "localhost", "GET", "/api/v1/status", []string{"Authorization", "Bearer "}, 401},
		{"another host reads", "", "10.0.0.9:1", "10.0.0.1:8081", "GET", "/api/v1/status", nil, 403},
		{"another host reads metrics", "", "10.0.0.9:1", "10.0.0.1:8081", "GET", "/metrics", nil, 403},
		{"another host changes", "", "10.0.0.9:1", "localhost", "POST", "/api/v1/reload", nil, 403},
		{"another host puts", "", "10.0.0.9:1", "localhost", "PUT", "/api/v1/config", []string{"If-Match", "*"}, 403},
		{"another host learns nothing of paths", "", "10.0.0.9:1", "localhost", "GET", "/api/v1/nothing", nil, 403},
		{"another host without the token", "s3cret", "10.0.0.9:1", "gw:8081", "GET", "/metrics", nil, 401},
		{"another host with the token", "s3cret", "10.0.0.9:1", "gw:8081", "GET", "/metrics", []string{"Authorization", good}, 200},
		{"another host with the token changes", "s3cret", "10.0.0.9:1", "gw:8081", "POST", "/api/v1/reload", []string{"Authorization", good}, 200},
		{"the scheme's case", "s3cret", "10.0.0.9:1", "gw:8081", "GET", "/metrics", []string{"Authorization", "bearer s3cret"}, 200},
		{"a wrong token", "s3cret", "10.0.0.9:1", "gw:8081", "GET", "/metrics", []string{"Authorization", bad}, 401},
		{"half a token", "s3cret", "10.0.0.9:1", "gw:8081", "GET", "/metrics", []string{"Authorization", "Bearer s3cre"}, 401},
		{"no token at all", "s3cret", "10.0.0.9:1", "gw:8081", "GET", "/metrics", []string{"Authorization", "Bearer"}, 401},
		{"another scheme", "s3cret", "10.0.0.9:1", "gw:8081", "GET", "/metrics", []string{"Authorization", "Basic s3cret"}, 401},
		{"through a proxy on this host", "", "127.0.0.1:1", "localhost", "POST", "/api/v1/reload", []string{"X-Forwarded-For", "10.0.0.9"}, 403},
		{"through a standard proxy", "", "127.0.0.1:1", "localhost", "GET", "/api/v1/config", []string{"Forwarded", "for=10.0.0.9"}, 403},
		{"through a proxy with the token", "s3cret", "127.0.0.1:1", "gw", "GET", "/metrics", []string{"X-Forwarded-For", "10.0.0.9", "Authorization", good}, 200},
		{"a name that was made to point here", "", "127.0.0.1:1", "evil.example:8081", "GET", "/api/v1/config", nil, 403},
		{"such a name that looks right", "", "127.0.0.1:1", "localhost.evil.example", "GET", "/api/v1/config", nil, 403},
		{"the address of all", "", "127.0.0.1:1", "0.0.0.0:8081", "GET", "/api/v1/config", nil, 403},
		{"a page of another site", "", "127.0.0.1:1", "localhost:8081", "POST", "/api/v1/reload", []string{"Origin", "https://evil.example"}, 403},
		{"a page of another port", "", "127.0.0.1:1", "localhost:8081", "POST", "/api/v1/reload", []string{"Origin", "http://localhost:3000"}, 403},
		{"a page without an origin", "", "127.0.0.1:1", "localhost:8081", "POST", "/api/v1/reload", []string{"Origin", "null"}, 403},
		{"what the browser says", "", "127.0.0.1:1", "localhost:8081", "PUT", "/api/v1/config", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"a page of our own", "", "127.0.0.1:1", "localhost:8081", "POST", "/api/v1/reload", []string{"Origin", "http://localhost:8081", "Sec-Fetch-Site", "same-origin"}, 200},
		{"probes are for all", "s3cret", "10.0.0.9:1", "gw:8081", "GET", "/livez", nil, 200},
		{"and by any name", "", "10.0.0.9:1", "evil.example", "GET", "/readyz", nil, 200},
		{"with HEAD", "", "10.0.0.9:1", "evil.example", "HEAD", "/startupz", nil, 200},
		{"but only to read", "", "10.0.0.9:1", "gw", "POST", "/livez", nil, 403},
		{"an address nobody knows", "", "@", "localhost", "GET", "/metrics", nil, 403},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := setup(t)
			b.set("serving", test.token)
			r := request(t, test.method, test.path, "", test.header...)
			r.RemoteAddr, r.Host = test.peer, test.host
			w := b.do(r)
			if w.Code != test.want {
				t.Fatalf("%d, want %d: %s", w.Code, test.want, w.Body)
			}
			if challenge := w.Header().Get("WWW-Authenticate") != ""; challenge != (test.want == http.StatusUnauthorized) {
				t.Error("WWW-Authenticate belongs to 401")
			}
			if test.token != "" && strings.Contains(w.Body.String(), test.token) {
				t.Errorf("the token is told: %s", w.Body)
			}
			if test.want >= 400 && w.Header().Get("Content-Type") != problemKind {
				t.Errorf("Content-Type %s", w.Header().Get("Content-Type"))
			}
		})
	}
}
