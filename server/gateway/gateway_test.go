package gateway

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/event"
	"github.com/gabion-io/gabion/server/gateway/exchange"
	"github.com/gabion-io/gabion/server/status"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// client keeps the answer.
type client struct {
	status int
	header exchange.Header
	body   string
}

func (c *client) Send(a *exchange.Answer) error {
	c.status, c.header = a.Status, a.Header
	if a.Body == nil {
		return nil
	}
	var b strings.Builder
	buffer := make([]byte, 512)
	for {
		n, err := a.Body.Read(buffer)
		b.Write(buffer[:n])
		if err != nil {
			c.body = b.String()
			return a.Body.Close()
		}
	}
}
func (c *client) Inform(int, exchange.Header) {}

// note is a step that writes down how it was entered and left; it may panic instead.
type note struct {
	name, panics string
	refuses      bool
	log          *[]string
}

func (n note) Enter(*exchange.Exchange) bool { n.does("enter "); return !n.refuses }
func (n note) Leave(*exchange.Exchange)      { n.does("leave ") }
func (n note) does(what string) {
	*n.log = append(*n.log, what+n.name)
	if n.panics == what {
		panic(what + n.name)
	}
}

// silent is a record step that records nothing.
type silent struct{}

func (silent) Enter(*exchange.Exchange) bool { return true }
func (silent) Leave(*exchange.Exchange)      {}

// parse reads a configuration with one service per address, its routes, and more.
func parse(t *testing.T, text string, args ...any) *config.File {
	t.Helper()
	loaded, err := config.Parse("gabion.yaml", fmt.Appendf(nil, text, args...), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &loaded.File
}

// open makes a gateway that is closed with the test.
func open(t *testing.T, cfg *config.File) *Gateway {
	t.Helper()
	events := event.NewLog(event.Config{})
	g, err := New(cfg, Options{
		Events: events, Observer: events.Observer,
		Record: func(config.Route) exchange.Step { return silent{} },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close(); events.Close() })
	return g
}

// backend answers with its name.
func backend(t *testing.T, name string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, name) }))
	t.Cleanup(s.Close)
	return s.URL
}

// ask leads one request of a user through the gateway.
func ask(t *testing.T, g *Gateway, method, path string) *client {
	t.Helper()
	c := &client{}
	x := &exchange.Exchange{Context: t.Context(), Client: c, Reply: exchange.NewFields(), Started: gabion.Now()}
	x.Request.Method, x.Request.Path, x.Request.Target, x.Request.Host = method, path, path, "shop.example"
	x.Request.Scheme, x.Request.Proto, x.Request.Header, x.Request.From = "http", "HTTP/1.1", exchange.NewFields(), "192.0.2.1"
	g.Serve(x)
	return c
}

func TestStepsAreLeftWhateverHappens(t *testing.T) {
	for name, test := range map[string]struct {
		a, b note
		want string
	}{
		"all is well":       {note{}, note{}, "enter a, enter b, leave b, leave a"},
		"the first answers": {note{refuses: true}, note{}, "enter a, leave a"},
		"a panic on the way in": {
			note{}, note{panics: "enter "}, "enter a, enter b, leave b, leave a, panic: enter b",
		},
		"a panic on the way out": {
			note{}, note{panics: "leave "}, "enter a, enter b, leave b, leave a, panic: leave b",
		},
		"a panic of the last to be left": {
			note{panics: "leave "}, note{}, "enter a, enter b, leave b, leave a, panic: leave a",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var log []string
			test.a.name, test.a.log, test.b.name, test.b.log = "a", &log, "b", &log
			g := open(t, parse(t, "services: {}\nroutes: []\n"))
			next := *g.current.Load()
			next.unmatched = []exchange.Step{test.a, test.b}
			g.current.Store(&next)
			func() {
				defer func() {
					if r := recover(); r != nil {
						log = append(log, fmt.Sprint("panic: ", r))
					}
				}()
				ask(t, g, http.MethodGet, "/")
			}()
			if got := strings.Join(log, ", "); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestWhatNoRouteTakes(t *testing.T) {
	g := open(t, parse(t, `
services:
  catalog: {endpoints: [%q]}
routes:
  - {name: product, match: {path: /product/, methods: [GET, PUT]}, service: catalog}
`, backend(t, "catalog")))
	for request, want := range map[string]int{"GET /product/7": 200, "GET /nowhere": 404, "DELETE /product/7": 405} {
		method, path, _ := strings.Cut(request, " ")
		c := ask(t, g, method, path)
		if c.status != want {
			t.Errorf("%s: status %d, want %d", request, c.status, want)
		}
		if allow := ""; c.status >= 400 {
			if c.header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s: no problem: %v", request, c.header)
			}
			if want == 405 {
				allow = "GET, HEAD, PUT"
			}
			if got := c.header.Get("Allow"); got != allow {
				t.Errorf("%s: Allow %q, want %q", request, got, allow)
			}
		}
	}
}

const twoServices = `
services:
  catalog: {endpoints: [%q]}
  checkout: {endpoints: [%q]}
routes:
  - {name: product, match: {path: /product/}, service: catalog, limits: [few]}
  - {name: checkout, match: {path: /checkout}, service: checkout}
limits:
  few: {key: ip, requests: 2/h, burst: 2}
`

const oneService = `
services:
  catalog: {endpoints: [%q]}
routes:
  - {name: product, match: {path: /product/}, service: catalog, limits: [few]}
limits:
  few: {key: ip, requests: 2/h, burst: 2}
`

func TestWhatStaysKeepsItsState(t *testing.T) {
	catalog, checkout := backend(t, "catalog"), backend(t, "checkout")
	g := open(t, parse(t, twoServices, catalog, checkout))
	before := g.current.Load().services
	if got := ask(t, g, http.MethodGet, "/product/7").status; got != 200 {
		t.Fatalf("status %d", got)
	}
	if err := g.Apply(parse(t, oneService, catalog)); err != nil {
		t.Fatal(err)
	}
	after := g.current.Load().services
	if len(after) != 1 || after["catalog"] != before["catalog"] {
		t.Errorf("the service was made anew: %v", after)
	}
	if got := ask(t, g, http.MethodGet, "/product/7").status; got != 200 {
		t.Errorf("the second of two requests: %d", got)
	}
	if got := ask(t, g, http.MethodGet, "/product/7").status; got != 429 {
		t.Errorf("the limit has forgotten the request before the reload: %d", got)
	}
	if got := ask(t, g, http.MethodGet, "/checkout").status; got != 404 {
		t.Errorf("a route that is gone: %d", got)
	}
	if len(g.Services(gabion.Now())) != 1 || len(g.Limits()) != 1 || len(g.Top(gabion.Now(), status.ByRequests, 10)) != 1 {
		t.Error("the status does not show what is in force")
	}
	if err := g.Apply(parse(t, twoServices, catalog, checkout)); err != nil {
		t.Fatal(err)
	}
	if g.current.Load().services["checkout"] == before["checkout"] {
		t.Error("a retired service is in use")
	}
	if got := ask(t, g, http.MethodGet, "/checkout"); got.body != "checkout" {
		t.Errorf("back again: %+v", got)
	}
}

func TestWhatCannotComeIntoForceChangesNothing(t *testing.T) {
	catalog, checkout := backend(t, "catalog"), backend(t, "checkout")
	for name, spoil := range map[string]func(*config.File){
		"a route": func(cfg *config.File) {
			s := cfg.Services["catalog"]
			s.Fallback = []config.Fallback{{Respond: &config.Respond{Status: 200, JSON: func() {}}}}
			cfg.Services["catalog"] = s
		},
		"a limit": func(cfg *config.File) {
			l := cfg.Limits["few"]
			l.Requests.Per = 0
			cfg.Limits["spoiled"] = l
		},
		"a service": func(cfg *config.File) {
			s := cfg.Services["catalog"]
			s.Endpoints = []config.Endpoint{{URL: "http://"}}
			cfg.Services["spoiled"] = s
		},
		"a service that is there": func(cfg *config.File) {
			s := cfg.Services["catalog"]
			s.Endpoints = []config.Endpoint{{URL: "http://"}}
			cfg.Services["catalog"] = s
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := open(t, parse(t, oneService, catalog))
			before := g.current.Load()
			// The new one would send product elsewhere and allow 100 requests.
			next := parse(t, strings.ReplaceAll(twoServices, "requests: 2/h, burst: 2", "requests: 100/s, burst: 100"), checkout, checkout)
			spoil(next)
			if err := g.Apply(next); err == nil {
				t.Fatal("it came into force")
			}
			if g.current.Load() != before || g.Config() != before.config {
				t.Error("another snapshot is in force")
			}
			var got []string
			for range 3 {
				c := ask(t, g, http.MethodGet, "/product/7")
				got = append(got, fmt.Sprint(c.status))
				if c.status == 200 && c.body != "catalog" {
					t.Errorf("answered by %s", c.body)
				}
			}
			if !slices.Equal(got, []string{"200", "200", "429"}) {
				t.Errorf("got %v with a limit of two", got)
			}
		})
	}
}

func TestServingGoesOnWhileTheConfigurationChanges(t *testing.T) {
	catalog, checkout := backend(t, "catalog"), backend(t, "checkout")
	without := func(text string) string {
		return strings.NewReplacer(", limits: [few]", "", "requests: 2/h", "requests: 9/h").Replace(text)
	}
	one, two := parse(t, without(oneService), catalog), parse(t, without(twoServices), catalog, checkout)
	g := open(t, one)
	done := make(chan struct{})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if c := ask(t, g, http.MethodGet, "/product/7"); c.status != 200 || c.body != "catalog" {
					t.Errorf("status %d %s", c.status, c.body)
					return
				}
				g.Services(gabion.Now())
				g.Top(gabion.Now(), status.ByServerTime, 3)
			}
		})
	}
	for i := range 40 {
		cfg := []*config.File{two, one}[i%2]
		if err := g.Apply(cfg); err != nil {
			t.Error(err)
		}
	}
	close(done)
	all.Wait()
}

func TestNothingIsStartedAfterClose(t *testing.T) {
	g := open(t, parse(t, oneService, backend(t, "catalog")))
	g.Close()
	if err := g.Apply(parse(t, twoServices, backend(t, "catalog"), backend(t, "checkout"))); err == nil {
		t.Error("a closed gateway took a configuration")
	}
}

func TestANewGatewayThatFailsLeavesNothingBehind(t *testing.T) {
	cfg := parse(t, oneService, backend(t, "catalog"))
	l := cfg.Limits["few"]
	l.Requests.Per = 0
	cfg.Limits["few"] = l
	events := event.NewLog(event.Config{})
	defer events.Close()
	_, err := New(cfg, Options{Events: events, Observer: events.Observer, Record: func(config.Route) exchange.Step { return silent{} }})
	if err == nil || !strings.Contains(err.Error(), "limits.few") {
		t.Errorf("error %v", err)
	}
}
