package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/ratelimit"
)

func Example() {
	limit, err := ratelimit.NewRequests(ratelimit.RequestsConfig{
		Name: "per-user",
		Rate: ratelimit.Rate{Count: 60, Per: time.Minute},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	pipe, err := gabion.New(gabion.Config{Policies: []gabion.Policy{limit}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, user := range []string{"alice", "alice", "bob"} {
		err := pipe.Run(ratelimit.WithKey(context.Background(), user), func(context.Context) error { return nil })
		fmt.Println(user, "is limited:", errors.Is(err, ratelimit.ErrLimited))
	}
	// Output:
	// alice is limited: false
	// alice is limited: true
	// bob is limited: false
}

func ExampleRequests_Take() {
	limit, err := ratelimit.NewRequests(ratelimit.RequestsConfig{Rate: ratelimit.Rate{Count: 2, Per: time.Second}})
	if err != nil {
		fmt.Println(err)
		return
	}
	now := gabion.Now()
	for range 3 {
		d := limit.Take(now, "alice", 1)
		fmt.Printf("ok: %v, %d of %d left, retry after %v\n", d.OK, d.Remaining, d.Limit, d.RetryAfter)
	}
	// Output:
	// ok: true, 1 of 2 left, retry after 0s
	// ok: true, 0 of 2 left, retry after 0s
	// ok: false, 0 of 2 left, retry after 500ms
}

func ExampleServerTime_Begin() {
	limit, err := ratelimit.NewServerTime(ratelimit.ServerTimeConfig{
		Quota: ratelimit.Quota{Time: 2 * time.Second, Per: 10 * time.Second},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	now := gabion.Now()
	report, d := limit.Begin(now, "alice")
	fmt.Printf("begins: %v, %d ms left\n", d.OK, d.Remaining)

	now += 3 * time.Second // it still runs
	_, d = limit.Begin(now, "alice")
	fmt.Printf("begins: %v, because of %s, retry after %v\n", d.OK, d.Reason, d.RetryAfter)

	report.Settle(now, 3*time.Second)
	// Output:
	// begins: true, 1999 ms left
	// begins: false, because of server_time, retry after 2.005s
}
