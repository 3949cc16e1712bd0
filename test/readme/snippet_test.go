package readme

import (
	"context"
	"fmt"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/breaker"
	"github.com/gabion-io/gabion/retry"
)

// Item is what the README fetches.
type Item struct{ Name string }

func fetch(_ context.Context, id int) (Item, error) { return Item{fmt.Sprintf("hat %d", id)}, nil }

// Example holds the Go of the README, line for line.
//
//nolint:ineffassign,wastedassign // The README leaves out what is done with an error.
func Example() {
	ctx, id := context.Background(), 7

	again, err := retry.New(retry.Config{Attempts: 3})
	fuse, err := breaker.New(breaker.Config{FailureRate: 0.5})
	pipe, err := gabion.New(gabion.Config{Name: "catalog", Policies: []gabion.Policy{again, fuse}})

	item, err := gabion.Do(ctx, pipe, func(ctx context.Context) (Item, error) { return fetch(ctx, id) })

	fmt.Println(item.Name, err)
	// Output: hat 7 <nil>
}
