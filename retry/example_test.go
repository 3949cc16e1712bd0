package retry_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/retry"
)

func Example() {
	again, err := retry.New(retry.Config{Name: "catalog", Attempts: 3})
	if err != nil {
		fmt.Println(err)
		return
	}
	pipe, err := gabion.New(gabion.Config{Name: "catalog", Policies: []gabion.Policy{again}})
	if err != nil {
		fmt.Println(err)
		return
	}
	tries := 0
	item, err := gabion.Do(context.Background(), pipe, func(context.Context) (string, error) {
		if tries++; tries < 3 {
			return "", errors.New("connection refused")
		}
		return "a hat", nil
	})
	fmt.Println(item, err, tries)

	_, err = gabion.Do(context.Background(), pipe, func(context.Context) (string, error) {
		return "", errors.New("connection refused")
	})
	fmt.Println(err)
	// Output:
	// a hat <nil> 3
	// retry "catalog": gave up after 3 attempts: no attempts left; last error: connection refused
}

// A loop of your own, such as a proxy's, asks the policy for its decisions.
func ExampleRetry_Decide() {
	again, err := retry.New(retry.Config{Attempts: 2, Backoff: retry.Backoff{Initial: time.Second, Max: time.Second, Jitter: "none"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	now := gabion.Now()
	deadline := now + 10*time.Second
	again.Start(now)
	fmt.Println(again.Decide(now, 1, deadline, 0))
	fmt.Println(again.Decide(now, 1, deadline, 20*time.Second))
	fmt.Println(again.Decide(now, 2, deadline, 0))
	fmt.Println(again.Snapshot(now))
	// Output:
	// {true 1s }
	// {false 0s deadline}
	// {false 0s attempts}
	// {9.2 1 1 0}
}

func ExampleRetry_Update() {
	again, err := retry.New(retry.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(again.Update(retry.Config{Attempts: 5, Budget: gabion.Off}))
	fmt.Println(again.Update(retry.Config{Backoff: retry.Backoff{Jitter: "half"}}))
	// Output:
	// <nil>
	// backoff.jitter is "half", must be full, decorrelated or none
}
