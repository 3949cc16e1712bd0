package fallback_test

import (
	"context"
	"errors"
	"testing"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/fallback"
)

func TestExercise(t *testing.T) {
	var told []string
	var causes []error
	works := fallback.Func("works", func(_ context.Context, cause error) (any, error) {
		causes = append(causes, cause)
		return "replaced", nil
	})
	fails := fallback.Func("fails", func(context.Context, error) (any, error) { return nil, errors.New("gone") })
	panics := fallback.Func("panics", func(context.Context, error) (any, error) { panic("boom") })
	declines := fallback.Func("declines", func(_ context.Context, cause error) (any, error) { return nil, cause })
	f, err := fallback.New(fallback.Config{Exercise: 0.1, Observer: gabion.ObserverFunc(func(e gabion.Event) {
		text := e.Detail
		if e.Err != nil {
			text += ": " + e.Err.Error()
		}
		told = append(told, text)
	})}, works, fails, panics, declines)
	if err != nil {
		t.Fatal(err)
	}
	pipe, err := gabion.New(gabion.Config{Policies: []gabion.Policy{f}})
	if err != nil {
		t.Fatal(err)
	}
	for range 40 {
		v, err := gabion.Do(t.Context(), pipe, func(context.Context) (string, error) { return "own", nil })
		if v != "own" || err != nil {
			t.Fatalf("the caller notices: %q, %v", v, err)
		}
	}
	want := []string{
		"exercise works", "exercise fails: the alternative fails when it is exercised: gone",
		"exercise panics: the alternative fails when it is exercised: it panicked: boom",
	}
	if len(told) != 3 || told[0] != want[0] || told[1] != want[1] || told[2] != want[2] {
		t.Errorf("told %q", told)
	}
	if s := f.Snapshot(); s.Exercised != 3 || s.Broken != 2 || s.Served["works"] != 0 || len(causes) != 1 || !errors.Is(causes[0], fallback.ErrExercise) {
		t.Errorf("%+v, causes %v", s, causes)
	}
	for _, share := range []gabion.Share{-1, 2} {
		if err := f.Update(fallback.Config{Exercise: share}, works); err == nil {
			t.Errorf("%v is taken", share)
		}
	}
}

func TestNothingIsExercisedUnasked(t *testing.T) {
	f, err := fallback.New(fallback.Config{}, fallback.Func("a", func(context.Context, error) (any, error) {
		t.Error("asked")
		return 1, nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	pipe, err := gabion.New(gabion.Config{Policies: []gabion.Policy{f}})
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if err := pipe.Run(t.Context(), func(context.Context) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
}
