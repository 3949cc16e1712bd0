package hedge_test

import (
	"context"
	"fmt"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/hedge"
)

func Example() {
	again, err := hedge.New(hedge.Config{After: hedge.After{Time: time.Millisecond}})
	if err != nil {
		panic(err)
	}
	pipe, err := gabion.New(gabion.Config{Policies: []gabion.Policy{again}})
	if err != nil {
		panic(err)
	}
	replicas := make(chan string, 2)
	replicas <- "slow"
	replicas <- "quick"
	answer, err := gabion.DoHedged(context.Background(), pipe, func(ctx context.Context) (string, error) {
		replica := <-replicas
		if replica == "slow" {
			<-ctx.Done()
			return "", ctx.Err()
		}
		return "from the " + replica + " replica", nil
	})
	fmt.Println(answer, err)
	// Output: from the quick replica <nil>
}
