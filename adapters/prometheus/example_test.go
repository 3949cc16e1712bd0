package prometheus_test

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	gabionprometheus "github.com/gabion-io/gabion/adapters/prometheus"
	"github.com/gabion-io/gabion/breaker"
	"github.com/gabion-io/gabion/bulkhead"
)

func Example() {
	fuse, err := breaker.New(breaker.Config{Name: "catalog"})
	if err != nil {
		fmt.Println(err)
		return
	}
	room, err := bulkhead.New(bulkhead.Config{Name: "catalog", Concurrency: 20})
	if err != nil {
		fmt.Println(err)
		return
	}
	collector, err := gabionprometheus.NewCollector(fuse, room)
	if err != nil {
		fmt.Println(err)
		return
	}
	registry := prometheus.NewRegistry() // or prometheus.DefaultRegisterer
	if err := registry.Register(collector); err != nil {
		fmt.Println(err)
		return
	}
	families, err := registry.Gather()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(families[1].GetName(), families[1].GetMetric()[0].GetCounter().GetValue())
	// Output: gabion_breaker_opened_total 0
}
