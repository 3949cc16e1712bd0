package gabion_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion"
)

func TestErrorText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, test := range []struct {
			err  gabion.Error
			want string
		}{
			{gabion.Error{Policy: "breaker", Reason: errShut}, "breaker: shut"},
			{gabion.Error{Policy: "breaker", Name: "catalog", Reason: errShut, Cause: errDown, Until: gabion.Now() + 4200*time.Millisecond}, `breaker "catalog": shut; retry after 4.2s; last error: connection refused`},
			{gabion.Error{Policy: "limit", Key: "user-7", Reason: errShut, Hint: "ask for more"}, `limit key "user-7": shut (ask for more)`},
			{gabion.Error{Policy: "breaker", Reason: errShut, Until: gabion.Now() - 1}, "breaker: shut"},
		} {
			if got := test.err.Error(); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		}
	})
}

func TestErrorTree(t *testing.T) {
	err := fmt.Errorf("outer: %w", &gabion.Error{Policy: "breaker", Reason: errShut, Cause: errDown})
	for _, want := range []error{errShut, errDown, gabion.ErrRejected} {
		if !errors.Is(err, want) {
			t.Errorf("is not %v", want)
		}
	}
	if errors.Is(&gabion.Error{Reason: errDown}, gabion.ErrRejected) {
		t.Error("an error whose reason is no refusal is one")
	}
	if errors.Is(errShut, gabion.Rejection("shut")) {
		t.Error("two refusals are the same")
	}
}

func TestShareText(t *testing.T) {
	for text, want := range map[string]gabion.Share{"20%": 0.2, " 2.5 % ": 0.025, "0%": 0, "100%": 1, "-5%": -0.05} {
		var got gabion.Share
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "20", "0.2", "%", "NaN%", "20%%", "a%"} {
		var got gabion.Share
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken for %v", text, got)
		}
	}
}

func FuzzShare(f *testing.F) {
	f.Add("20%")
	f.Add("2.5e-3%")
	f.Fuzz(func(t *testing.T, text string) {
		var share, again gabion.Share
		if share.UnmarshalText([]byte(text)) != nil {
			return
		}
		written, err := share.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		if err := again.UnmarshalText(written); err != nil || fmt.Sprintf("%.6g", again) != fmt.Sprintf("%.6g", share) {
			t.Errorf("%q is %v, written as %s, read as %v: %v", text, share, written, again, err)
		}
	})
}

func TestOutcomeNames(t *testing.T) {
	for outcome, want := range map[gabion.Outcome]string{
		gabion.Success: "success", gabion.Failure: "failure", gabion.Ignored: "ignored", 9: "unknown",
	} {
		if got := outcome.String(); got != want {
			t.Errorf("%d is %q, want %q", outcome, got, want)
		}
	}
}

func TestNowIsPositiveAndSteady(t *testing.T) {
	check := func(t *testing.T) {
		before := gabion.Now()
		if before <= 0 || gabion.Now() < before {
			t.Errorf("now is %v", before)
		}
		deadline := time.Now().Add(time.Hour)
		if left := gabion.InstantOf(deadline) - gabion.Now(); left > time.Hour || left < 59*time.Minute {
			t.Errorf("%v left of an hour", left)
		}
	}
	check(t)
	synctest.Test(t, check)
}
