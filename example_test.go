package gabion_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/breaker"
	"github.com/gabion-io/gabion/retry"
	"github.com/gabion-io/gabion/timeout"
)

// catalogPipe is what calls to a catalog pass through.
func catalogPipe() (*gabion.Pipe, error) {
	bound, err := timeout.New(timeout.Config{Name: "catalog"})
	if err != nil {
		return nil, err
	}
	again, err := retry.New(retry.Config{Name: "catalog"})
	if err != nil {
		return nil, err
	}
	opens, err := breaker.New(breaker.Config{Name: "catalog"})
	if err != nil {
		return nil, err
	}
	return gabion.New(gabion.Config{Name: "catalog", Policies: []gabion.Policy{bound, again, opens}})
}

func ExampleDo() {
	pipe, err := catalogPipe()
	if err != nil {
		fmt.Println(err)
		return
	}
	tries := 0
	item, err := gabion.Do(context.Background(), pipe, func(context.Context) (string, error) {
		if tries++; tries == 1 {
			return "", errors.New("connection reset")
		}
		return "a hat", nil
	})
	fmt.Println(item, err)
	// Output: a hat <nil>
}

func ExamplePipe_Run() {
	pipe, err := catalogPipe()
	if err != nil {
		fmt.Println(err)
		return
	}
	err = pipe.Run(context.Background(), func(context.Context) error { return errors.New("connection refused") })
	fmt.Println(err)
	// Output: retry "catalog": gave up after 3 attempts: no attempts left; last error: connection refused
}

func ExamplePipe_Acquire() {
	pipe, err := catalogPipe()
	if err != nil {
		fmt.Println(err)
		return
	}
	permit, err := pipe.Acquire(context.Background())
	if err != nil {
		fmt.Println("refused:", err)
		return
	}
	fmt.Println("a stream is open")
	permit.Done(gabion.Success, nil)
	// Output: a stream is open
}

func ExamplePipe_For() {
	pipe, err := gabion.New(gabion.Config{Name: "replicas", PerKey: func(host string) ([]gabion.Policy, error) {
		b, err := breaker.New(breaker.Config{Name: host, Consecutive: 1})
		return []gabion.Policy{b}, err
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, host := range []string{"a", "b", "a"} {
		of, err := pipe.For(host)
		if err != nil {
			fmt.Println(err)
			return
		}
		err = of.Run(context.Background(), func(context.Context) error {
			if host == "a" {
				return errors.New("connection refused")
			}
			return nil
		})
		fmt.Println(host, err != nil, errors.Is(err, gabion.ErrRejected))
	}
	// Output:
	// a true false
	// b false false
	// a true true
}

func ExamplePipe_Policies() {
	pipe, err := catalogPipe()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, policy := range pipe.Policies() {
		fmt.Println(policy.Position, policy.Kind, policy.Name)
	}
	// Output:
	// 200 timeout catalog
	// 300 retry catalog
	// 500 breaker catalog
	// 900 timeout catalog
}
