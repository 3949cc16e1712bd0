module github.com/gabion-io/gabion/bench

go 1.26.0

require (
	github.com/failsafe-go/failsafe-go v0.9.8 // indirect
	github.com/sony/gobreaker/v2 v2.4.0 // indirect
)
