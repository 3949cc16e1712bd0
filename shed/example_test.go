package shed_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/shed"
)

func Example() {
	shedder, err := shed.New(shed.Config{Name: "catalog", Deadline: 300 * time.Millisecond})
	if err != nil {
		fmt.Println(err)
		return
	}
	pipe, err := gabion.New(gabion.Config{Policies: []gabion.Policy{shedder}})
	if err != nil {
		fmt.Println(err)
		return
	}

	ctx := gabion.WithPriority(context.Background(), gabion.Critical)
	err = pipe.Run(ctx, func(context.Context) error {
		fmt.Println("in flight:", shedder.Snapshot().InFlight)
		return nil
	})
	fmt.Println("served:", err == nil)
	// Output:
	// in flight: 1
	// served: true
}

// A service that knows how many calls it can work on lets a few wait, and refuses what it could not answer in time.
func ExampleErrShed() {
	shedder, err := shed.New(shed.Config{Concurrency: 1, Deadline: 50 * time.Millisecond})
	if err != nil {
		fmt.Println(err)
		return
	}
	pipe, err := gabion.New(gabion.Config{Policies: []gabion.Policy{shedder}})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = pipe.Run(context.Background(), func(ctx context.Context) error {
		return pipe.Run(ctx, func(context.Context) error { return nil }) // waits for itself
	})
	fmt.Println(errors.Is(err, shed.ErrShed), errors.Is(err, gabion.ErrRejected))
	// Output: true true
}

func ExampleShedder_Brownout() {
	shedder, err := shed.New(shed.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	page := "the product"
	if shedder.Brownout() < 0.3 { // the cheaper to miss, the sooner it is left out
		page += ", and what others bought"
	}
	fmt.Println(page)
	// Output: the product, and what others bought
}
