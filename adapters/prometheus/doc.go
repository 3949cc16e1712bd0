// Package prometheus shows Prometheus what policies hold and what they have done. Import it under a name of your own, such as
// gabionprometheus.
//
//	collector, err := gabionprometheus.NewCollector(breaker, bulkhead, retry)
//	err = prometheus.Register(collector)
//
// Policies count in atomics of their own anyhow, and a [Collector] reads them when it is scraped: calls pay nothing for it.
// What it shows is in [Families]. The names are those of the server's /metrics, so that the same alerts work on both; the
// label that tells the series of a family apart is name, the Name of the policy. Keys, such as users, are never labels.
//
// How often calls are made, and how long they take, no policy knows: an [Observer] is told by pipes. A [Pusher] brings the
// metrics of a program that nobody scrapes to a gabion.
package prometheus
