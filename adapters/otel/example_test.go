package otel_test

import (
	"context"
	"errors"
	"fmt"

	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/gabion-io/gabion"
	gabionotel "github.com/gabion-io/gabion/adapters/otel"
	"github.com/gabion-io/gabion/breaker"
)

func Example() {
	reader := sdk.NewManualReader() // or one that exports
	observer, err := gabionotel.NewObserver(gabionotel.Config{Meters: sdk.NewMeterProvider(sdk.WithReader(reader))})
	if err != nil {
		fmt.Println(err)
		return
	}
	fuse, err := breaker.New(breaker.Config{Name: "catalog", Consecutive: 1, Observer: observer})
	if err != nil {
		fmt.Println(err)
		return
	}
	pipe, err := gabion.New(gabion.Config{
		Name: "catalog", Observer: observer, Policies: []gabion.Policy{fuse, gabionotel.Spans()},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = pipe.Run(context.Background(), func(context.Context) error { return errors.New("connection refused") })
	fmt.Println(err)

	var told metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &told); err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range told.ScopeMetrics[0].Metrics {
		fmt.Println(m.Name)
	}
	// Output:
	// connection refused
	// gabion.call.duration
	// gabion.policy.events
	// gabion.breaker.state
}
