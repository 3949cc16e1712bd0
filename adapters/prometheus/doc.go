// Package prometheus shows Prometheus what policies hold and have done.
package prometheus

import (
	_ "github.com/prometheus/client_golang/prometheus"

	_ "github.com/gabion-io/gabion"
)
