module github.com/gabion-io/gabion/bench

go 1.26.0

require (
	github.com/afex/hystrix-go v0.0.0-20180502004556-fa1af6a1f4f5 // indirect
	github.com/alibaba/sentinel-golang v1.0.4 // indirect
	github.com/cep21/circuit/v4 v4.0.0 // indirect
	github.com/eapache/go-resiliency v1.7.0 // indirect
	github.com/failsafe-go/failsafe-go v0.9.8 // indirect
	github.com/go-kratos/aegis v0.2.0 // indirect
	github.com/sethvargo/go-limiter v0.7.1 // indirect
	github.com/sony/gobreaker/v2 v2.4.0 // indirect
	github.com/throttled/throttled/v2 v2.15.0 // indirect
	github.com/zeromicro/go-zero v1.10.3 // indirect
	golang.org/x/time v0.16.0 // indirect
)
