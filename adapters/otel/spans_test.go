package otel_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/gabion-io/gabion"
	gabionotel "github.com/gabion-io/gabion/adapters/otel"
	"github.com/gabion-io/gabion/breaker"
	"github.com/gabion-io/gabion/fallback"
	"github.com/gabion-io/gabion/fault"
	"github.com/gabion-io/gabion/retry"
)

// traced runs f within a span and is what the span then says: one line for each event.
func traced(t *testing.T, f func(ctx context.Context)) string {
	t.Helper()
	recorder := tracetest.NewSpanRecorder()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)).Tracer("test")
	ctx, span := tracer.Start(t.Context(), "call")
	f(ctx)
	span.End()
	var lines []string
	for _, e := range recorder.Ended()[0].Events() {
		line := e.Name + ":"
		for _, a := range e.Attributes {
			line += fmt.Sprintf(" %s=%v", a.Key, a.Value.String())
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func TestSpansTellTheStoryOfACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		place := must(fault.New(fault.Config{Name: "shop"}))
		policies := func(spans ...gabion.Policy) *gabion.Pipe {
			return must(gabion.New(gabion.Config{Name: "shop", Policies: append(spans,
				must(fallback.New(fallback.Config{}, fallback.Value("empty", 0))),
				must(retry.New(retry.Config{Name: "shop", Backoff: retry.Backoff{Jitter: retry.JitterNone}})),
				must(breaker.New(breaker.Config{Name: "shop", Consecutive: 4})),
				place,
			)}))
		}
		pipe := policies(gabionotel.Spans())
		fails := func(times int) func(context.Context) (int, error) {
			return func(context.Context) (int, error) {
				if times--; times >= 0 {
					return 0, errDown
				}
				return 1, nil
			}
		}
		for _, c := range []struct {
			name, want string
			times      int
		}{
			{"succeeds at once", "", 0},
			{"succeeds at the second try", `gabion.attempt: gabion.outcome=failure gabion.took=0 error.message=down gabion.attempt=1
gabion.attempt: gabion.outcome=success gabion.took=0 gabion.attempt=2`, 1},
			{"fails", `gabion.attempt: gabion.outcome=failure gabion.took=0 error.message=down gabion.attempt=1
gabion.attempt: gabion.outcome=failure gabion.took=0 error.message=down gabion.attempt=2
gabion.attempt: gabion.outcome=failure gabion.took=0 error.message=down gabion.attempt=3
gabion.call: gabion.outcome=failure gabion.took=0.03 error.message=retry "shop": gave up after 3 attempts: no attempts left; last error: down gabion.policy=retry gabion.name=shop gabion.reason=no attempts left`, 3},
		} {
			if got := traced(t, func(ctx context.Context) { gabion.Do(ctx, pipe, fails(c.times)) }); got != c.want {
				t.Errorf("%s: got\n%s\nwant\n%s", c.name, got, c.want)
			}
		}
		if _, err := place.Inject(fault.Rule{Kind: fault.Error, First: 1, For: time.Minute}); err != nil {
			t.Fatal(err)
		}
		got := traced(t, func(ctx context.Context) { gabion.Do(ctx, pipe, fails(0)) })
		refused := `gabion.attempt: gabion.outcome=ignored gabion.took=0 error.message=breaker "shop": open`
		if !strings.Contains(got, "gabion.fault=true gabion.attempt=1\n"+refused) || !strings.Contains(got, " gabion.policy=breaker gabion.name=shop gabion.reason=open gabion.fault=true gabion.attempt=2\n") || !strings.HasSuffix(got, " gabion.policy=retry gabion.name=shop gabion.reason=open gabion.fault=true") {
			t.Errorf("after a fault that opens the breaker: got\n%s", got)
		}
		without := policies()
		if got := traced(t, func(ctx context.Context) { gabion.Do(ctx, without, fails(3)) }); got != "" {
			t.Errorf("without the policy: got\n%s", got)
		}
	})
}

// A call outside of any span, and one whose span is not sampled, are as without the policy.
func TestSpansOutsideOfASpan(t *testing.T) {
	pipe := must(gabion.New(gabion.Config{Policies: []gabion.Policy{gabionotel.Spans()}}))
	ctx, span := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample())).Tracer("test").Start(t.Context(), "call")
	defer span.End()
	for _, ctx := range []context.Context{t.Context(), ctx} {
		if err := pipe.Run(ctx, func(context.Context) error { return errDown }); !errors.Is(err, errDown) {
			t.Error(err)
		}
	}
	ctx = context.Background()
	if n := testing.AllocsPerRun(100, func() { gabion.Do(ctx, pipe, func(context.Context) (int, error) { return 42, nil }) }); n != 0 {
		t.Errorf("a call that succeeds allocates %v times", n)
	}
}
