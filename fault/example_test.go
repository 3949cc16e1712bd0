package fault_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/fault"
)

func Example() {
	faults, err := fault.New(fault.Config{Name: "catalog"})
	if err != nil {
		panic(err)
	}
	pipe, err := gabion.New(gabion.Config{Policies: []gabion.Policy{faults}})
	if err != nil {
		panic(err)
	}
	call := func() error { return pipe.Run(context.Background(), func(context.Context) error { return nil }) }

	drill, err := faults.Inject(fault.Rule{Kind: fault.Reset, For: 5 * time.Minute})
	if err != nil {
		panic(err)
	}
	fmt.Println(errors.Is(call(), fault.ErrInjected))
	drill.Stop() // or in five minutes
	fmt.Println(call())
	// Output:
	// true
	// <nil>
}
