// Package otel tells OpenTelemetry what policies do.
package otel

import (
	_ "go.opentelemetry.io/otel"
	_ "go.opentelemetry.io/otel/metric"
	_ "go.opentelemetry.io/otel/trace"

	_ "github.com/gabion-io/gabion"
)
