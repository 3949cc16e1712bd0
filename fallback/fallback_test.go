package fallback

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/internal/script"
)

var (
	errBroken = errors.New("connection refused")
	errEmpty  = errors.New("nothing stored")
)

func mustNew(t testing.TB, cfg Config, handlers ...Handler) *Fallback {
	t.Helper()
	f, err := New(cfg, handlers...)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func pipeOf(t testing.TB, policies ...gabion.Policy) *gabion.Pipe {
	t.Helper()
	pipe, err := gabion.New(gabion.Config{Name: "test", Policies: policies})
	if err != nil {
		t.Fatal(err)
	}
	return pipe
}

// refuser is a guard that refuses every call.
type refuser struct{}

func (refuser) Describe() gabion.Description {
	return gabion.Description{Kind: "refuser", Position: gabion.PositionBreaker}
}

func (refuser) Acquire(context.Context, gabion.Instant) (gabion.Ticket, error) {
	return gabion.Ticket{}, &gabion.Error{Policy: "refuser", Reason: gabion.Rejection("open")}
}
func (refuser) Done(gabion.Ticket, gabion.Result) {}

func TestScripts(t *testing.T) {
	script.Run(t, "testdata/*.txt", func(t *testing.T) func(script.Command) string {
		var f *Fallback
		var served []string
		return func(c script.Command) string {
			switch c.Name {
			case "alternatives":
				f = alternatives(t, c, &served)
				return ""
			case "call":
				served = nil
				return call(t, f, c.Keys["ends"], &served)
			}
			t.Fatalf("line %d: unknown command %s", c.Line, c.Name)
			return ""
		}
	})
}

func alternatives(t *testing.T, c script.Command, served *[]string) *Fallback {
	cfg := Config{Name: "catalog", Observer: gabion.ObserverFunc(func(e gabion.Event) {
		*served = append(*served, fmt.Sprintf("%s by %s after: %v", e.Kind, e.Detail, e.Err))
	})}
	if c.Keys["on"] == "refusals" {
		cfg.On = func(err error) bool { return errors.Is(err, gabion.ErrRejected) }
	}
	var handlers []Handler
	for _, name := range slices.Sorted(maps.Keys(c.Keys)) {
		switch c.Keys[name] {
		case "ok":
			handlers = append(handlers, Value(name, name+"'s answer"))
		case "empty":
			handlers = append(handlers, Func(name, func(context.Context, error) (any, error) { return nil, errEmpty }))
		case "broken":
			handlers = append(handlers, Func(name, func(_ context.Context, cause error) (any, error) { return nil, cause }))
		}
	}
	return mustNew(t, cfg, handlers...)
}

func call(t *testing.T, f *Fallback, ends string, served *[]string) string {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	policies := []gabion.Policy{f}
	if ends == "refused" {
		policies = append(policies, refuser{})
	}
	if ends == "deadline" {
		ctx, cancel = context.WithDeadline(ctx, time.Now().Add(20*time.Millisecond))
		defer cancel()
	}
	answer, err := gabion.Do(ctx, pipeOf(t, policies...), func(ctx context.Context) (string, error) {
		switch ends {
		case "cancelled":
			cancel()
			return "", ctx.Err()
		case "deadline":
			<-ctx.Done()
			return "", ctx.Err()
		case "their-cancel":
			return "", context.Canceled
		case "failure":
			return "", errBroken
		}
		return "the real answer", nil
	})
	lines := append([]string{fmt.Sprintf("answer: %q", answer)}, *served...)
	if err != nil {
		lines = append(lines, "error: "+err.Error())
	}
	return strings.Join(lines, "\n")
}

func TestErrorsOfAllAreFound(t *testing.T) {
	f := mustNew(t, Config{}, Func("cache", func(context.Context, error) (any, error) { return nil, errEmpty }))
	err := pipeOf(t, f).Run(t.Context(), func(context.Context) error { return errBroken })
	for _, want := range []error{errBroken, errEmpty, ErrExhausted} {
		if !errors.Is(err, want) {
			t.Errorf("%v does not hold %v", err, want)
		}
	}
	if errors.Is(err, gabion.ErrRejected) {
		t.Errorf("%v looks like a refusal, but the call was made", err)
	}
	if s := f.Snapshot(); s.Exhausted != 1 || s.Served["cache"] != 0 {
		t.Errorf("counted %+v", s)
	}
}

// A result without error can be a failure by the pipe's classification, such as a 503.
func TestFailureWithoutError(t *testing.T) {
	f := mustNew(t, Config{}, Value("static", 200))
	classify := func(v any, err error) gabion.Outcome {
		if v == 503 {
			return gabion.Failure
		}
		return gabion.Success
	}
	var discarded []any
	pipe, err := gabion.New(gabion.Config{
		Policies: []gabion.Policy{f}, Classify: classify, Discard: func(v any) { discarded = append(discarded, v) },
	})
	if err != nil {
		t.Fatal(err)
	}
	status, err := gabion.Do(t.Context(), pipe, func(context.Context) (int, error) { return 503, nil })
	if status != 200 || err != nil || !slices.Equal(discarded, []any{503}) {
		t.Errorf("got %d, %v; discarded %v", status, err, discarded)
	}
	if err := f.Update(Config{}, Func("none", func(context.Context, error) (any, error) { return nil, errEmpty })); err != nil {
		t.Fatal(err)
	}
	if _, err := gabion.Do(t.Context(), pipe, func(context.Context) (int, error) { return 503, nil }); !errors.Is(err, errEmpty) {
		t.Errorf("none could answer: %v", err)
	}
}

func TestValueOfAnotherTypeIsAnError(t *testing.T) {
	f := mustNew(t, Config{}, Value("static", "text"))
	_, err := gabion.Do(t.Context(), pipeOf(t, f), func(context.Context) (int, error) { return 0, errBroken })
	if err == nil || !strings.Contains(err.Error(), "string") || !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
}

func TestUpdateKeepsCountsByName(t *testing.T) {
	f := mustNew(t, Config{Name: "catalog"}, Value("a", 1), Value("b", 2))
	pipe := pipeOf(t, f)
	fail := func() (int, error) {
		return gabion.Do(t.Context(), pipe, func(context.Context) (int, error) { return 0, errBroken })
	}
	if v, err := fail(); v != 1 || err != nil {
		t.Fatalf("got %d, %v", v, err)
	}
	if err := f.Update(Config{}); err == nil {
		t.Error("no alternatives: accepted")
	}
	if v, err := fail(); v != 1 || err != nil {
		t.Errorf("after a refused update: %d, %v", v, err)
	}
	if err := f.Update(Config{Name: "other"}, Value("c", 3), Value("a", 4)); err != nil {
		t.Fatal(err)
	}
	if v, err := fail(); v != 3 || err != nil {
		t.Errorf("after the update: %d, %v", v, err)
	}
	if s := f.Snapshot(); !maps.Equal(s.Served, map[string]uint64{"c": 1, "a": 2}) {
		t.Errorf("counted %v", s.Served)
	}
	if d := f.Describe(); d.Name != "catalog" || d.Kind != "fallback" || d.Position != gabion.PositionFallback {
		t.Errorf("described as %+v", d)
	}
}

func TestNewNamesAllProblems(t *testing.T) {
	_, err := New(Config{Name: "catalog"}, Value("a", 1), Value("a", 2), Value("", 3), Handler{}, Func("nil", nil))
	for _, want := range []string{`"a" twice`, "no name at index 2", "no function at index 3", "no function at index 4"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	if fieldError, ok := errors.AsType[*gabion.FieldError](err); !ok || fieldError.Field != "fallback" {
		t.Errorf("%v holds no *gabion.FieldError of fallback", err)
	}
	if _, err := New(Config{}); err == nil {
		t.Error("no alternatives: accepted")
	}
}

// The caller's cancellation is not a failure that somebody must answer for.
func TestTrap05CallersCancellationIsNotAnswered(t *testing.T) {
	f := mustNew(t, Config{On: func(error) bool { return true }}, Value("static", 1))
	ctx, cancel := context.WithCancel(t.Context())
	_, err := gabion.Do(ctx, pipeOf(t, f), func(context.Context) (int, error) { cancel(); return 0, ctx.Err() })
	if !errors.Is(err, context.Canceled) || f.Snapshot().Served["static"] != 0 {
		t.Errorf("got %v, counted %+v", err, f.Snapshot())
	}
}

// A panic and runtime.Goexit are not failures that somebody answers: they go on.
func TestTrap01PanicGoesOn(t *testing.T) {
	f := mustNew(t, Config{}, Value("static", 1))
	defer func() {
		if recover() == nil || f.Snapshot().Served["static"] != 0 {
			t.Errorf("the panic was answered: %+v", f.Snapshot())
		}
	}()
	v, err := gabion.Do(t.Context(), pipeOf(t, f), func(context.Context) (int, error) { panic("boom") })
	t.Errorf("returned %d, %v", v, err)
}

func TestTrap02GoexitGoesOn(t *testing.T) {
	f := mustNew(t, Config{}, Value("static", 1))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, err := gabion.Do(t.Context(), pipeOf(t, f), func(context.Context) (int, error) { runtime.Goexit(); return 0, nil })
		t.Errorf("returned %v", err)
	}()
	<-done
	if f.Snapshot().Served["static"] != 0 {
		t.Error("Goexit was answered")
	}
}

// An observer that reads the state of the fallback must not find it locked.
func TestTrap06ObserverMayReadTheState(t *testing.T) {
	var f *Fallback
	var seen Snapshot
	f = mustNew(t, Config{Observer: gabion.ObserverFunc(func(gabion.Event) { seen = f.Snapshot() })}, Value("static", 1))
	if _, err := gabion.Do(t.Context(), pipeOf(t, f), func(context.Context) (int, error) { return 0, errBroken }); err != nil {
		t.Fatal(err)
	}
	if seen.Served["static"] != 1 {
		t.Errorf("saw %+v", seen)
	}
}

// Without the fallback, the same fault reaches the caller.
func TestWithoutFallbackTheCallFails(t *testing.T) {
	broken := func(context.Context) (int, error) { return 0, errBroken }
	if _, err := gabion.Do(t.Context(), pipeOf(t), broken); !errors.Is(err, errBroken) {
		t.Errorf("without: %v", err)
	}
	if v, err := gabion.Do(t.Context(), pipeOf(t, mustNew(t, Config{}, Value("static", 7))), broken); v != 7 || err != nil {
		t.Errorf("with: %d, %v", v, err)
	}
}

func BenchmarkSuccess(b *testing.B) {
	pipe := pipeOf(b, mustNew(b, Config{}, Value("static", 1)))
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := gabion.Do(ctx, pipe, func(context.Context) (int, error) { return 0, nil }); err != nil {
			b.Fatal(err)
		}
	}
}
