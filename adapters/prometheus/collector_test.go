package prometheus_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/gabion-io/gabion"
	gabionprometheus "github.com/gabion-io/gabion/adapters/prometheus"
	"github.com/gabion-io/gabion/breaker"
	"github.com/gabion-io/gabion/bulkhead"
	"github.com/gabion-io/gabion/fallback"
	"github.com/gabion-io/gabion/fault"
	"github.com/gabion-io/gabion/hedge"
	"github.com/gabion-io/gabion/ratelimit"
	"github.com/gabion-io/gabion/retry"
	"github.com/gabion-io/gabion/shed"
	"github.com/gabion-io/gabion/timeout"
)

var rewrite = flag.Bool("rewrite", false, "write testdata anew")

var errDown = errors.New("down")

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// everything is one policy of each kind.
func everything() []gabion.Policy {
	return []gabion.Policy{
		must(fallback.New(fallback.Config{Name: "shop"}, fallback.Value("empty", 0))),
		must(timeout.New(timeout.Config{Name: "shop", Total: time.Second, Attempt: 400 * time.Millisecond})),
		must(retry.New(retry.Config{Name: "shop", Attempts: 2, Backoff: retry.Backoff{Jitter: retry.JitterNone}})),
		must(hedge.New(hedge.Config{Name: "shop", After: hedge.After{Time: 50 * time.Millisecond}})),
		must(breaker.New(breaker.Config{Name: "shop", Consecutive: 4})),
		must(ratelimit.NewRequests(ratelimit.RequestsConfig{Name: "shop", Rate: ratelimit.Rate{Count: 5, Per: time.Hour}, Burst: 5})),
		must(ratelimit.NewServerTime(ratelimit.ServerTimeConfig{Name: "shop", Concurrency: 3})),
		must(shed.New(shed.Config{Name: "shop", Concurrency: 8})),
		must(bulkhead.New(bulkhead.Config{Name: "shop", Concurrency: 10})),
		must(fault.New(fault.Config{Name: "shop"})),
	}
}

// scrape is what Prometheus gets.
func scrape(t *testing.T, c *gabionprometheus.Collector) string {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(c); err != nil {
		t.Fatal(err)
	}
	recorder := httptest.NewRecorder()
	handler := promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError})
	handler.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	if recorder.Code != http.StatusOK {
		t.Fatalf("%d: %s", recorder.Code, recorder.Body)
	}
	return recorder.Body.String()
}

// What is shown after six calls, of which the first succeeded, all others failed, and the breaker opened.
func TestExposition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		policies := everything()
		pipe := must(gabion.New(gabion.Config{Policies: policies}))
		collector := must(gabionprometheus.NewCollector(policies...))
		for i := range 6 {
			gabion.DoHedged(t.Context(), pipe, func(context.Context) (int, error) {
				if i == 0 {
					return 1, nil
				}
				return 0, errDown
			})
		}
		got := scrape(t, collector)
		const golden = "testdata/exposition.txt"
		if *rewrite {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want := strings.Split(string(must(os.ReadFile(golden))), "\n")
		for i, line := range strings.Split(got, "\n") {
			if i >= len(want) || line != want[i] {
				t.Fatalf("line %d is %s; that is not what is in %s: if it is meant, go test -rewrite", i+1, line, golden)
			}
		}
		for _, f := range gabionprometheus.Families {
			if !strings.Contains(got, "# TYPE "+f.Name+" "+f.Type+"\n") {
				t.Errorf("%s is not shown by any policy", f.Name)
			}
		}
	})
}

// Other policies than those of the kit.
type own struct{ gabion.Policy }

func TestWhatCannotBeShown(t *testing.T) {
	fuse := func(name string) gabion.Policy { return must(breaker.New(breaker.Config{Name: name})) }
	c := must(gabionprometheus.NewCollector(fuse("a")))
	err := c.Add(fuse("b"), fuse("a"), own{}, nil)
	want := `prometheus: there are two policies breaker with the name "a"
prometheus: a prometheus_test.own has nothing that could be shown
prometheus: a <nil> has nothing that could be shown`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	if strings.Contains(scrape(t, c), `name="b"`) {
		t.Error("some were added")
	}
	if _, err := gabionprometheus.NewCollector(fuse("a"), fuse("a")); err == nil {
		t.Error("two of the same name")
	}
}

func TestRemove(t *testing.T) {
	a, b := must(breaker.New(breaker.Config{Name: "a"})), must(breaker.New(breaker.Config{Name: "b\xff"}))
	c := must(gabionprometheus.NewCollector(a, b))
	c.Remove(a, must(breaker.New(breaker.Config{Name: "b"})))
	if got := scrape(t, c); strings.Contains(got, `name="a"`) || !strings.Contains(got, "name=\"b\uFFFD\"") {
		t.Errorf("got %s", got)
	}
	if err := c.Add(a); err != nil {
		t.Error(err)
	}
}

// Scrapes, calls and changes of what is shown, all at once.
func TestConcurrentUse(t *testing.T) {
	policies := everything()
	pipe := must(gabion.New(gabion.Config{Policies: policies}))
	c := must(gabionprometheus.NewCollector(policies...))
	var wait sync.WaitGroup
	for i := range 4 {
		wait.Go(func() {
			more := must(breaker.New(breaker.Config{Name: fmt.Sprint(i)}))
			for range 20 {
				gabion.DoHedged(t.Context(), pipe, func(context.Context) (int, error) { return 0, errDown })
				if err := c.Add(more); err != nil {
					t.Error(err)
				}
				if !strings.Contains(scrape(t, c), fmt.Sprintf("gabion_breaker_opened_total{name=%q}", fmt.Sprint(i))) {
					t.Error("a policy that was added is missing")
				}
				c.Remove(more)
			}
		})
	}
	wait.Wait()
}

// A collector changes nothing about calls: what they allocate stays what it was.
func TestCallsPayNothing(t *testing.T) {
	policies := []gabion.Policy{
		must(retry.New(retry.Config{Name: "shop"})),
		must(breaker.New(breaker.Config{Name: "shop"})),
		must(bulkhead.New(bulkhead.Config{Name: "shop"})),
	}
	pipe := must(gabion.New(gabion.Config{Policies: policies}))
	ctx := context.Background()
	call := func() {
		if _, err := gabion.Do(ctx, pipe, func(context.Context) (int, error) { return 42, nil }); err != nil {
			t.Fatal(err)
		}
	}
	before := testing.AllocsPerRun(1000, call)
	c := must(gabionprometheus.NewCollector(policies...))
	scrape(t, c)
	if after := testing.AllocsPerRun(1000, call); before != 0 || after != before {
		t.Errorf("a call allocates %v times, and %v times when it is shown", before, after)
	}
}

// BenchmarkCall is a successful call with and without a collector that is registered.
func BenchmarkCall(b *testing.B) {
	for _, shown := range []bool{false, true} {
		b.Run(map[bool]string{false: "not shown", true: "shown"}[shown], func(b *testing.B) {
			fuse := must(breaker.New(breaker.Config{Name: "shop"}))
			pipe := must(gabion.New(gabion.Config{Policies: []gabion.Policy{fuse}}))
			if shown {
				registry := prometheus.NewRegistry()
				registry.MustRegister(must(gabionprometheus.NewCollector(fuse)))
				if _, err := registry.Gather(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := pipe.Run(b.Context(), func(context.Context) error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
