package route_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/gateway/exchange"
	"github.com/gabion-io/gabion/server/gateway/route"
)

func TestMatch(t *testing.T) {
	routes := []config.Route{
		{Name: "any"},
		{Name: "host", Match: config.Match{Host: "shop.example"}},
		{Name: "wild", Match: config.Match{Host: "*.example"}},
		{Name: "api", Match: config.Match{Path: "/api/"}},
		{Name: "api-v2", Match: config.Match{Path: "/api/v2/"}},
		{Name: "product", Match: config.Match{Path: "/product/{id}", Methods: []string{"GET"}}},
		{Name: "product-new", Match: config.Match{Path: "/product/new"}},
		{Name: "product-beta", Match: config.Match{Path: "/product/{id}", Header: map[string]string{"X-Beta": "1"}}},
		{Name: "review", Match: config.Match{Path: "/product/{id}/review/{n}"}},
		{Name: "order", Match: config.Match{Host: "strict.test", Path: "/order", Methods: []string{"POST", "GET"}}},
		{Name: "six", Match: config.Match{Host: "::1", Path: "/x"}},
	}
	table := route.New(routes)
	for _, test := range []struct{ method, host, path, beta, want string }{
		{"GET", "other", "/", "", "any"},
		{"GET", "SHOP.example:8080", "/x", "", "host"},
		{"GET", "shop.example.", "/x", "", "host"},
		{"GET", "a.example", "/x", "", "wild"},
		{"GET", "a.b.example", "/x", "", "any"},
		{"GET", "other", "/api", "", "any"},
		{"GET", "other", "/api/", "", "api"},
		{"GET", "other", "/api/x/y", "", "api"},
		{"GET", "other", "/api/v2", "", "api"},
		{"GET", "other", "/api/v2/", "", "api-v2"},
		{"GET", "other", "/api/v2/z", "", "api-v2"},
		{"GET", "other", "/product/7", "", "product id=7"},
		{"HEAD", "other", "/product/7", "", "product id=7"},
		{"POST", "other", "/product/7", "", "any"},
		{"GET", "other", "/product/7", "1", "product-beta id=7"},
		{"POST", "other", "/product/7", "1", "product-beta id=7"},
		{"GET", "other", "/product/new", "", "product-new"},
		{"GET", "other", "/product/new/review/3", "", "review id=new n=3"},
		{"GET", "other", "/product/", "", "any"},
		{"GET", "other", "/product/7/", "", "any"},
		{"GET", "other", "//x", "", "any"},
		{"POST", "strict.test", "/order", "", "order"},
		{"DELETE", "strict.test", "/order", "", "any"},
		{"GET", "[::1]:80", "/x", "", "six"},
		{"GET", "[::1", "/x", "", "any"},
	} {
		h := exchange.NewFields()
		if test.beta != "" {
			h.Set("X-Beta", test.beta)
		}
		m, params := table.Match(&exchange.Request{Method: test.method, Host: test.host, Path: test.path, Header: h}, nil)
		got := "none"
		if m.Route >= 0 {
			got = routes[m.Route].Name
		}
		for _, p := range params {
			got += fmt.Sprintf(" %s=%s", p.Name, p.Value)
		}
		if got != test.want {
			t.Errorf("%s %s%s beta=%q: got %q, want %q", test.method, test.host, test.path, test.beta, got, test.want)
		}
	}
}

func TestNotFoundAndNotAllowedAreToldApart(t *testing.T) {
	table := route.New([]config.Route{
		{Match: config.Match{Path: "/a", Methods: []string{"GET", "PUT"}}},
		{Match: config.Match{Path: "/a", Methods: []string{"POST"}, Header: map[string]string{"X-Beta": "1"}}},
		{Match: config.Match{Path: "/b/{x}"}},
	})
	for path, want := range map[string]string{"/a": "-1 [GET HEAD PUT]", "/c": "-1 []", "/b/1": "2 []", "/b/": "-1 []"} {
		m, _ := table.Match(&exchange.Request{Method: "DELETE", Host: "h", Path: path, Header: exchange.NewFields()}, nil)
		if got := fmt.Sprint(m.Route, m.Allowed); strings.ReplaceAll(got, "<nil>", "[]") != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}

func TestOrderInTheFileDecidesAmongEquals(t *testing.T) {
	same := config.Match{Path: "/x/{a}"}
	table := route.New([]config.Route{{Match: config.Match{Path: "/"}}, {Match: same}, {Match: same}})
	m, _ := table.Match(&exchange.Request{Method: "GET", Path: "/x/1", Header: exchange.NewFields()}, nil)
	if m.Route != 1 {
		t.Errorf("got route %d, want 1", m.Route)
	}
}

func BenchmarkMatch200(b *testing.B) {
	var routes []config.Route
	for i := range 200 {
		routes = append(routes, config.Route{Match: config.Match{Path: fmt.Sprintf("/svc%d/{id}/items/{item}", i), Methods: []string{"GET"}}})
	}
	table := route.New(routes)
	r := &exchange.Request{Method: "GET", Host: "shop.example:8080", Path: "/svc150/17/items/4711", Header: exchange.NewFields()}
	params := make([]exchange.Param, 0, 4)
	b.ReportAllocs()
	for b.Loop() {
		if m, _ := table.Match(r, params[:0]); m.Route != 150 {
			b.Fatal(m)
		}
	}
}
