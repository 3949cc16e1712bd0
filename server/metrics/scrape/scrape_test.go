package scrape

import (
	"compress/gzip"
	"context"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"
	"go.uber.org/goleak"

	"github.com/gabion-io/gabion/server/metrics/tier"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// beat is how often the tests scrape.
const beat = 50 * time.Millisecond

// notes is a store that writes down what comes.
type notes struct {
	mu        sync.Mutex
	batches   [][]tier.Sample
	producers map[string]int
	about     map[string]tier.Metadata
}

func (n *notes) Append(_ context.Context, producer string, batch []tier.Sample) (tier.Dropped, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.producers == nil {
		n.producers = map[string]int{}
	}
	n.producers[producer]++
	n.batches = append(n.batches, batch)
	return tier.Dropped{}, nil
}

func (n *notes) Describe(metric string, m tier.Metadata) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.about == nil {
		n.about = map[string]tier.Metadata{}
	}
	n.about[metric] = m
}

// values are all values of a series in order, "stale" for the marker.
func (n *notes) values(series string) (all []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, b := range n.batches {
		for _, s := range b {
			if s.Labels.String() != series {
				continue
			}
			text := fmt.Sprint(s.Value)
			if value.IsStaleNaN(s.Value) {
				text = "stale"
			}
			all = append(all, text)
		}
	}
	return all
}

// last is the newest value of a series; "" when it has none.
func (n *notes) last(series string) string {
	if all := n.values(series); len(all) > 0 {
		return all[len(all)-1]
	}
	return ""
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for limit := time.After(20 * time.Second); !ok(); {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("it never was so: %s", what)
		}
	}
}

// site is a target whose answer can be changed.
type site struct {
	*httptest.Server
	answer atomic.Pointer[http.HandlerFunc]
	asked  atomic.Int64
}

func newSite(t *testing.T, body string) *site {
	t.Helper()
	s := &site{}
	s.say(body)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		(*s.answer.Load())(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *site) do(f http.HandlerFunc) { s.answer.Store(&f) }

func (s *site) say(body string) {
	s.do(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) })
}

func (s *site) address() string { return s.Listener.Addr().String() }

// series is the text of one of its series.
func (s *site) series(name string, more ...string) string {
	return fmt.Sprintf(`{__name__="%s", %sinstance="%s", job="shop"}`, name, strings.Join(more, ""), s.address())
}

func open(t *testing.T, o Options, jobs ...Job) *Scraper {
	t.Helper()
	o.delay = time.Millisecond
	s, err := Open(o, jobs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func shop(targets ...string) Job { return Job{Name: "shop", Targets: targets, Interval: beat} }

func TestTextAndWhatEnds(t *testing.T) {
	n := &notes{}
	x := newSite(t, "# HELP a_total Some a.\n# TYPE a_total counter\na_total{job=\"own\"} 3\nb 4\n")
	s := open(t, Options{Store: n}, shop(x.address()))
	a, b, up := x.series("a_total", `exported_job="own", `), x.series("b"), x.series("up")
	eventually(t, "the first scrape", func() bool { return n.last(a) == "3" && n.last(b) == "4" && n.last(up) == "1" })
	eventually(t, "what a metric means", func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.about["a_total"] == tier.Metadata{Type: "counter", Help: "Some a."}
	})
	eventually(t, "what is said about the scrape", func() bool {
		return n.last(x.series("scrape_samples_scraped")) == "2" && n.last(x.series("scrape_duration_seconds")) != ""
	})
	x.say("a_total{job=\"own\"} 5\n")
	eventually(t, "the end of b", func() bool { return n.last(b) == "stale" && n.last(a) == "5" })
	x.do(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	eventually(t, "a target that fails", func() bool { return n.last(a) == "stale" && n.last(up) == "0" })
	eventually(t, "why", func() bool {
		all := s.Targets()
		return len(all) == 1 && all[0].Health == "down" && strings.Contains(all[0].Error, "500") && !all[0].Last.IsZero() &&
			all[0].Job == "shop" && all[0].Instance == x.address() && all[0].URL == x.URL+"/metrics"
	})
	x.say("a_total{job=\"own\"} 6\n")
	eventually(t, "the target comes back", func() bool { return n.last(a) == "6" && n.last(up) == "1" })
	s.Close()
	if n.producers["scrape shop "+x.address()] == 0 || len(n.producers) != 1 {
		t.Errorf("producers: %v", n.producers)
	}
}

func TestOpenMetrics(t *testing.T) {
	n := &notes{}
	x := newSite(t, "")
	x.do(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept"), "application/openmetrics-text") || r.Header.Get("User-Agent") != "gabion" || r.URL.Path != "/own" {
			w.WriteHeader(http.StatusNotAcceptable)
			return
		}
		w.Header().Set("Content-Type", "application/openmetrics-text; version=1.0.0; charset=utf-8")
		_, _ = w.Write([]byte("# TYPE a counter\n# UNIT a \na_total 3 # {trace_id=\"x\"} 1\n# EOF\n"))
	})
	open(t, Options{Store: n}, shop(x.URL+"/own"))
	eventually(t, "a scrape", func() bool { return n.last(x.series("a_total")) == "3" })
}

// TestBounds: a target that misbehaves fails, and nothing of what it said is stored.
func TestBounds(t *testing.T) {
	elsewhere := newSite(t, "a 1\n")
	hang := make(chan struct{})
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"hangs": {func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-hang:
			case <-r.Context().Done():
			}
		}, "deadline"},
		"too long": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(strings.Repeat("a 1\n", 1000))) }, "body size limit"},
		"bomb": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			for range 10 {
				_, _ = z.Write([]byte(strings.Repeat("# x\n", 1000)))
			}
			_ = z.Close()
		}, "body size limit"},
		"too many": {func(w http.ResponseWriter, _ *http.Request) {
			for i := range 11 {
				_, _ = fmt.Fprintf(w, "a%d 1\n", i)
			}
		}, "sample limit"},
		"malformed": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("a 1\na{ 2\n")) }, "expected"},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusFound)
		}, "302"},
		"breaks off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("a 1\n"))
		}, "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			n := &notes{}
			x := newSite(t, "")
			x.do(tc.answer)
			s := open(t, Options{Store: n, Body: 1000, Samples: 10}, Job{Name: "shop", Targets: []string{x.address()}, Interval: 500 * time.Millisecond})
			eventually(t, "up is 0", func() bool { return n.last(x.series("up")) == "0" })
			eventually(t, "the error is about: "+tc.want, func() bool { return strings.Contains(s.Targets()[0].Error, tc.want) })
			if got := n.values(x.series("a")); len(got) > 0 {
				t.Errorf("a: %v", got)
			}
		})
	}
	if elsewhere.asked.Load() != 0 {
		t.Error("a redirect was followed")
	}
}

// TestUpdate: what stays is not disturbed, what goes is marked.
func TestUpdate(t *testing.T) {
	n := &notes{}
	x, y, z := newSite(t, "a 1\n"), newSite(t, "a 2\n"), newSite(t, "a 3\n")
	s := open(t, Options{Store: n}, shop(x.address(), y.address()))
	eventually(t, "two targets", func() bool { return n.last(x.series("a")) == "1" && n.last(y.series("a")) == "2" })
	if err := s.Update([]Job{{Name: "bad", Targets: []string{"a b"}}}); err == nil {
		t.Error("a bad target was taken")
	}
	if err := s.Update([]Job{shop(x.address()), {Name: "other", Targets: []string{z.address()}, Interval: beat}}); err != nil {
		t.Fatal(err)
	}
	third := fmt.Sprintf(`{__name__="a", instance="%s", job="other"}`, z.address())
	eventually(t, "the third target", func() bool { return n.last(third) == "3" })
	eventually(t, "the second one's end", func() bool { return n.last(y.series("a")) == "stale" && n.last(y.series("up")) == "stale" })
	asked := y.asked.Load()
	up := x.series("up")
	before := len(n.values(up))
	eventually(t, "the first one goes on", func() bool { return len(n.values(up)) > before+3 && n.last(up) == "1" })
	if slices.Contains(n.values(up), "stale") { // a scrape that fails because this machine is busy says 0
		t.Error("the first one was disturbed")
	}
	if y.asked.Load() != asked {
		t.Error("the second one is still asked")
	}
	s.Close()
	s.Close()
	if err := s.Update([]Job{shop(y.address())}); err != nil || n.last(up) == "stale" {
		t.Errorf("after the end: %v; the last value is %s: no marker may be written", err, n.last(up))
	}
}

// TestUpDespiteTheLimit: whoever has too many series is still seen to be up.
func TestUpDespiteTheLimit(t *testing.T) {
	store, err := tier.Open(t.TempDir(), tier.Options{Limits: tier.Limits{Service: 20}})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var bomb strings.Builder
	for i := range 100 {
		fmt.Fprintf(&bomb, "a{i=\"%d\"} 1\n", i)
	}
	x := newSite(t, bomb.String())
	s := open(t, Options{Store: store}, shop(x.address()))
	defer s.Close()
	eventually(t, "up", func() bool { return ask(t, store, "up") == 1 })
	eventually(t, "some series of the bomb", func() bool { return ask(t, store, "count(a)") > 0 })
	if n := ask(t, store, "count(last_over_time(a[1m]))"); n >= 20 {
		t.Errorf("%v series of the bomb", n)
	}
	if d := store.Drops(); len(d) != 1 || d[0].Reason != tier.ServiceLimit || d[0].Culprit != "shop" || d[0].Producer != "scrape shop "+x.address() {
		t.Errorf("%+v", d)
	}
}

// ask is the value of a query that finds one series; NaN when it finds another number.
func ask(t *testing.T, store *tier.Store, query string) float64 {
	t.Helper()
	a, err := store.Instant(t.Context(), query, time.Now(), tier.Asking{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if v := a.Value.(promql.Vector); len(v) == 1 {
		return v[0].F
	}
	return math.NaN()
}
