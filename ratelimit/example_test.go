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

func ExampleComposite() {
	second, err := ratelimit.NewRequests(ratelimit.RequestsConfig{Name: "per-second", Rate: ratelimit.Rate{Count: 2, Per: time.Second}})
	if err != nil {
		fmt.Println(err)
		return
	}
	day, err := ratelimit.NewRequests(ratelimit.RequestsConfig{
		Name: "per-day", Rate: ratelimit.Rate{Count: 3, Per: 24 * time.Hour}, Sliding: true, Key: gabion.TenantOf,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	both, err := ratelimit.NewComposite(ratelimit.CompositeConfig{Limits: []ratelimit.Limit{second, day}})
	if err != nil {
		fmt.Println(err)
		return
	}
	pipe, err := gabion.New(gabion.Config{Policies: []gabion.Policy{both}})
	if err != nil {
		fmt.Println(err)
		return
	}
	acme := gabion.WithTenant(context.Background(), "acme")
	for _, user := range []string{"alice", "alice", "alice", "bob", "bob"} {
		err := pipe.Run(ratelimit.WithKey(acme, user), func(context.Context) error { return nil })
		limited, ok := errors.AsType[*gabion.Error](err)
		if !ok {
			fmt.Println(user, "passes")
			continue
		}
		fmt.Println(user, "is limited", limited.Name)
	}
	// Output:
	// alice passes
	// alice passes
	// alice is limited per-second
	// bob passes
	// bob is limited per-day
}

func ExampleWithCost() {
	limit, err := ratelimit.NewRequests(ratelimit.RequestsConfig{Rate: ratelimit.Rate{Count: 100, Per: time.Second}})
	if err != nil {
		fmt.Println(err)
		return
	}
	pipe, err := gabion.New(gabion.Config{Policies: []gabion.Policy{limit}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, batch := range []int{60, 60, 1} {
		ctx := ratelimit.WithCost(context.Background(), batch)
		err := pipe.Run(ctx, func(context.Context) error { return nil })
		fmt.Println("a batch of", batch, "is limited:", errors.Is(err, ratelimit.ErrLimited))
	}
	// Output:
	// a batch of 60 is limited: false
	// a batch of 60 is limited: true
	// a batch of 1 is limited: false
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
