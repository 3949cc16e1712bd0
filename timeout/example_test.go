package timeout_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/timeout"
)

func Example() {
	bound, err := timeout.New(timeout.Config{Name: "catalog", Total: time.Second, Attempt: 20 * time.Millisecond})
	if err != nil {
		fmt.Println(err)
		return
	}
	pipe, err := gabion.New(gabion.Config{Name: "catalog", Policies: []gabion.Policy{bound}})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = pipe.Run(context.Background(), func(ctx context.Context) error {
		<-ctx.Done() // an answer that does not come
		return ctx.Err()
	})
	fmt.Println(errors.Is(err, timeout.ErrExceeded))
	fmt.Println(err)
	// Output:
	// true
	// timeout "catalog": timeout exceeded: the attempt may take 20ms; last error: context deadline exceeded
}

func ExampleTimeout_Update() {
	bound, err := timeout.New(timeout.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(bound.Total(), bound.Attempt())
	fmt.Println(bound.Update(timeout.Config{Total: time.Minute, Attempt: gabion.Off}))
	fmt.Println(bound.Total(), bound.Attempt())
	// Output:
	// 10s 3s
	// <nil>
	// 1m0s 0s
}
