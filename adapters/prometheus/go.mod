module github.com/gabion-io/gabion/adapters/prometheus

go 1.26.0

require github.com/gabion-io/gabion v0.1.0

require github.com/prometheus/client_golang v1.25.0 // indirect
