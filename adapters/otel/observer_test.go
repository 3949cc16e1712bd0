package otel_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/gabion-io/gabion"
	gabionotel "github.com/gabion-io/gabion/adapters/otel"
	"github.com/gabion-io/gabion/breaker"
	"github.com/gabion-io/gabion/bulkhead"
	"github.com/gabion-io/gabion/fallback"
	"github.com/gabion-io/gabion/retry"
)

var errDown = errors.New("down")

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// observed is an observer, and what it has told so far: one line for each series.
func observed() (*gabionotel.Observer, func(t *testing.T) []string) {
	reader := sdk.NewManualReader()
	o := must(gabionotel.NewObserver(gabionotel.Config{Meters: sdk.NewMeterProvider(sdk.WithReader(reader))}))
	return o, func(t *testing.T) (lines []string) {
		t.Helper()
		var all metricdata.ResourceMetrics
		if err := reader.Collect(t.Context(), &all); err != nil {
			t.Fatal(err)
		}
		for _, scope := range all.ScopeMetrics {
			for _, m := range scope.Metrics {
				lines = append(lines, series(t, m)...)
			}
		}
		slices.Sort(lines)
		return lines
	}
}

func series(t *testing.T, m metricdata.Metrics) (lines []string) {
	t.Helper()
	line := func(set attribute.Set, format string, values ...any) {
		lines = append(lines, m.Name+"{"+set.Encoded(attribute.DefaultEncoder())+"} "+fmt.Sprintf(format, values...))
	}
	switch data := m.Data.(type) {
	case metricdata.Sum[int64]:
		for _, p := range data.DataPoints {
			line(p.Attributes, "%d", p.Value)
		}
	case metricdata.Gauge[int64]:
		for _, p := range data.DataPoints {
			line(p.Attributes, "%d", p.Value)
		}
	case metricdata.Histogram[float64]:
		for _, p := range data.DataPoints {
			line(p.Attributes, "%d in %vs", p.Count, p.Sum)
		}
	default:
		t.Fatalf("%s is a %T", m.Name, m.Data)
	}
	return lines
}

// A dependency fails, so that the breaker opens, and comes back.
func TestMetricsOfAStory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, told := observed()
		fuse := must(breaker.New(breaker.Config{Name: "shop", Consecutive: 4, OpenFor: time.Second, Probes: 1, Observer: o}))
		pipe := must(gabion.New(gabion.Config{Name: "shop", Observer: o, Policies: []gabion.Policy{
			must(fallback.New(fallback.Config{Name: "shop", Observer: o}, fallback.Value("empty", 0))),
			must(retry.New(retry.Config{Name: "shop", Attempts: 2, Observer: o, Backoff: retry.Backoff{
				Initial: 250 * time.Millisecond, Jitter: retry.JitterNone,
			}})),
			fuse,
		}}))
		call := func(err error) { gabion.Do(t.Context(), pipe, func(context.Context) (int, error) { return 1, err }) }
		for range 3 {
			call(errDown)
		}
		time.Sleep(2 * time.Second)
		call(nil)
		fuse.Force(breaker.ForcedClosed)
		want := `gabion.breaker.mode{gabion.mode=automatic,gabion.name=shop} 0
gabion.breaker.mode{gabion.mode=forced_closed,gabion.name=shop} 1
gabion.breaker.state{gabion.name=shop,gabion.state=closed} 1
gabion.breaker.state{gabion.name=shop,gabion.state=half_open} 0
gabion.breaker.state{gabion.name=shop,gabion.state=open} 0
gabion.call.duration{gabion.name=shop,gabion.outcome=success} 4 in 0.5s
gabion.policy.events{gabion.kind=fallback,gabion.name=shop,gabion.policy=fallback,gabion.reason=empty} 3
gabion.policy.events{gabion.kind=gave_up,gabion.name=shop,gabion.policy=retry,gabion.reason=attempts} 2
gabion.policy.events{gabion.kind=refused,gabion.name=shop,gabion.policy=breaker,gabion.reason=open} 1
gabion.policy.events{gabion.kind=retry,gabion.name=shop,gabion.policy=retry} 2
gabion.policy.events{gabion.kind=state,gabion.name=shop,gabion.policy=breaker,gabion.reason=closed} 1
gabion.policy.events{gabion.kind=state,gabion.name=shop,gabion.policy=breaker,gabion.reason=forced_closed} 1
gabion.policy.events{gabion.kind=state,gabion.name=shop,gabion.policy=breaker,gabion.reason=half_open} 1
gabion.policy.events{gabion.kind=state,gabion.name=shop,gabion.policy=breaker,gabion.reason=open} 1`
		if got := strings.Join(told(t), "\n"); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	})
}

// Without the observer, nothing is told.
func TestWithoutObserver(t *testing.T) {
	_, told := observed()
	pipe := must(gabion.New(gabion.Config{Policies: []gabion.Policy{must(breaker.New(breaker.Config{Consecutive: 1}))}}))
	for range 3 {
		pipe.Run(t.Context(), func(context.Context) error { return errDown })
	}
	if got := told(t); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

func TestReasons(t *testing.T) {
	o, told := observed()
	for _, e := range []gabion.Event{
		{Kind: gabion.EventRefused, Policy: "bulkhead", Err: &gabion.Error{Reason: bulkhead.ErrFull}, Detail: "wait"},
		{Kind: gabion.EventRefused, Policy: "own", Err: fmt.Errorf("wrapped: %w", &gabion.Error{Reason: bulkhead.ErrFull})},
		{Kind: gabion.EventRefused, Policy: "own", Err: &gabion.Error{}},
		{Kind: gabion.EventRefused, Policy: "own", Err: errDown},
		{Kind: gabion.EventState, Policy: "own", From: "a", To: "b", Detail: "50 of 100 calls failed"},
	} {
		o.Observe(e)
	}
	want := `gabion.policy.events{gabion.kind=refused,gabion.name=,gabion.policy=bulkhead,gabion.reason=wait} 1
gabion.policy.events{gabion.kind=refused,gabion.name=,gabion.policy=own,gabion.reason=full} 1
gabion.policy.events{gabion.kind=refused,gabion.name=,gabion.policy=own} 2
gabion.policy.events{gabion.kind=state,gabion.name=,gabion.policy=own,gabion.reason=b} 1`
	if got := strings.Join(told(t), "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Policies that make up names cost no more than a bounded memory, and lose no count that OpenTelemetry keeps.
func TestManyNames(t *testing.T) {
	o, told := observed()
	var wait sync.WaitGroup
	for part := range 4 {
		wait.Go(func() {
			for i := range 600 {
				o.Observe(gabion.Event{Kind: gabion.EventHedge, Policy: "hedge", Name: fmt.Sprint(part, i)})
			}
		})
	}
	wait.Wait()
	total := 0
	for _, line := range told(t) {
		n := 0
		if _, err := fmt.Sscan(line[strings.LastIndex(line, " "):], &n); err != nil {
			t.Fatal(err)
		}
		total += n
	}
	if total != 2400 {
		t.Errorf("%d events were counted, want 2400", total)
	}
}

// broken is a meter that makes no instruments.
type broken struct{ noop.MeterProvider }

func (broken) Meter(string, ...metric.MeterOption) metric.Meter { return brokenMeter{} }

type brokenMeter struct{ noop.Meter }

func (brokenMeter) Int64Counter(string, ...metric.Int64CounterOption) (metric.Int64Counter, error) {
	return nil, errDown
}

func TestBrokenMeter(t *testing.T) {
	if _, err := gabionotel.NewObserver(gabionotel.Config{Meters: broken{}}); !errors.Is(err, errDown) {
		t.Errorf("got %v", err)
	}
	if _, err := gabionotel.NewObserver(gabionotel.Config{}); err != nil { // the global one does nothing at first
		t.Error(err)
	}
}

// What was met before is counted without an allocation of ours.
func TestObserveDoesNotAllocate(t *testing.T) {
	o := must(gabionotel.NewObserver(gabionotel.Config{Meters: noop.NewMeterProvider()}))
	call := gabion.Call{Pipe: must(gabion.New(gabion.Config{Name: "shop"})), Took: time.Millisecond}
	refused := gabion.Event{Kind: gabion.EventRefused, Policy: "bulkhead", Name: "shop", Detail: "full"}
	if n := testing.AllocsPerRun(100, func() { o.ObserveCall(call); o.Observe(refused) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
