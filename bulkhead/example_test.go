package bulkhead_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/bulkhead"
)

func Example() {
	places, err := bulkhead.New(bulkhead.Config{Name: "reports", Concurrency: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	pipe, err := gabion.New(gabion.Config{Policies: []gabion.Policy{places}})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()

	err = pipe.Run(ctx, func(ctx context.Context) error {
		fmt.Println("the first report runs:", places.Snapshot().InFlight)
		second := pipe.Run(ctx, func(context.Context) error { return nil })
		fmt.Println("the second one:", second)
		fmt.Println("was it refused here?", errors.Is(second, gabion.ErrRejected))
		return nil
	})
	fmt.Println("the first report ended:", err)
	// Output:
	// the first report runs: 1
	// the second one: bulkhead "reports": full (1 calls run at once, 0 may wait for 50ms)
	// was it refused here? true
	// the first report ended: <nil>
}

func ExampleBulkhead_TryAcquire() {
	places, err := bulkhead.New(bulkhead.Config{Concurrency: 1, Queue: 10})
	if err != nil {
		fmt.Println(err)
		return
	}
	ticket, err := places.TryAcquire(gabion.Now())
	fmt.Println("first:", err)
	_, err = places.TryAcquire(gabion.Now())
	fmt.Println("second:", errors.Is(err, bulkhead.ErrFull))
	places.Done(ticket, gabion.Result{Outcome: gabion.Success})
	fmt.Println("in flight:", places.Snapshot().InFlight)
	// Output:
	// first: <nil>
	// second: true
	// in flight: 0
}
