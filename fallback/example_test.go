package fallback_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/fallback"
)

func Example() {
	cache := map[string][]string{} // empty today
	items, err := fallback.New(fallback.Config{
		Name: "recommendations",
		Observer: gabion.ObserverFunc(func(e gabion.Event) {
			fmt.Printf("%s served, because: %v\n", e.Detail, e.Err)
		}),
	},
		fallback.Func("cache", func(context.Context, error) (any, error) {
			if items, ok := cache["bestsellers"]; ok {
				return items, nil
			}
			return nil, errors.New("not cached")
		}),
		fallback.Value("static", []string{"tea", "coffee"}),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	pipe, err := gabion.New(gabion.Config{Policies: []gabion.Policy{items}})
	if err != nil {
		fmt.Println(err)
		return
	}
	answer, err := gabion.Do(context.Background(), pipe, func(context.Context) ([]string, error) {
		return nil, errors.New("connection refused")
	})
	fmt.Println(answer, err)
	// Output:
	// static served, because: connection refused
	// [tea coffee] <nil>
}
