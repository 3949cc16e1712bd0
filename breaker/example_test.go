package breaker_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/breaker"
)

func Example() {
	catalog, err := breaker.New(breaker.Config{Name: "catalog", Consecutive: 2, OpenFor: time.Minute})
	if err != nil {
		fmt.Println(err)
		return
	}
	pipe, err := gabion.New(gabion.Config{Name: "catalog", Policies: []gabion.Policy{catalog}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 3 {
		_, err := gabion.Do(context.Background(), pipe, func(context.Context) (string, error) {
			return "", errors.New("connection refused")
		})
		fmt.Println(errors.Is(err, breaker.ErrOpen), catalog.State())
	}
	// Output:
	// false closed
	// false open
	// true open
}

func ExampleBreaker_Update() {
	b, err := breaker.New(breaker.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(b.Update(breaker.Config{MinCalls: 100, FailureRate: 0.25}))
	fmt.Println(b.Update(breaker.Config{FailureRate: 25, Probes: -1}))
	// Output:
	// <nil>
	// failure_rate is 2500%, must be above 0% and at most 100%, or off
	// probes is -1, must be positive
}

func ExampleBreaker_Snapshot() {
	b, err := breaker.New(breaker.Config{MinCalls: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, outcome := range []gabion.Outcome{gabion.Success, gabion.Failure} {
		now := gabion.Now()
		ticket, err := b.Acquire(context.Background(), now)
		if err != nil {
			fmt.Println(err)
			return
		}
		b.Done(ticket, gabion.Result{Outcome: outcome, Began: now, Ended: gabion.Now()})
	}
	s := b.Snapshot(gabion.Now())
	fmt.Println(s.State, s.Calls, s.Failures, s.Opened)
	// Output: open 2 1 1
}
