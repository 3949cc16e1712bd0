# Gabion. `make run` shows it, `make test` proves it.

GO      ?= go
GOBIN   := $(CURDIR)/bin
LINTER  := v2.15.0
FUMPT   := v0.12.0
ADAPTERS := adapters/grpc adapters/otel adapters/prometheus
MODULES := . $(ADAPTERS) examples server bench test

.PHONY: run build check test lint unit bench bench-gateway bench-policies bench-store bench-traps overload overload-live generate tidy deps clean

## run: build, then bring up the demo: a small shop behind the gateway, a told story, and then it stays up
run: build
	bin/gabion demo --keep

## build: the one binary, bin/gabion
build:
	$(GO) build -trimpath -o bin/gabion ./server/cmd/gabion

## check: the fast part: build, lint, unit tests without the black-box module
check: build lint
	$(GO) test ./... $(ADAPTERS:%=./%/...) ./server/... ./examples/...

## test: everything that must pass: installs what it needs, lint, all modules with the race detector
test: deps lint
	$(GO) build work
	$(GO) test -race -timeout 20m ./... $(ADAPTERS:%=./%/...) ./server/... ./examples/... ./bench/...
	cd test && $(GO) test -race -count=1 -p 1 -timeout 20m `$(GO) list ./... | grep -v /e2e`
	$(GO) test -count=1 -timeout 45m ./test/e2e # measures times of processes that have no race detector

## lint: formatting, vet and the linters of .golangci.yaml, in every module
lint: bin/golangci-lint
	@for module in $(MODULES); do (cd $$module && $(GOBIN)/golangci-lint run --timeout 10m ./...) || exit 1; done

## deps: the real servers and clients that tests use, as Debian packages
deps:
	@internal/tool/deps.sh

## bench-gateway: CPU per request beside nginx, HAProxy, Caddy and a tuned ReverseProxy; writes docs/performance.md
bench-gateway: build deps
	cd bench && $(GO) run ./gateway

## bench-policies: CPU per call beside the libraries that do the same; writes docs/performance.md
bench-policies:
	cd bench && $(GO) test -c -o ../bin/policies.test ./policies && ( \
	for round in `seq 21`; do ../bin/policies.test -test.run '^$$' -test.bench . -test.skip '/1M' -test.benchtime 10ms || exit 1; done && \
	for round in `seq 7`; do ../bin/policies.test -test.run '^$$' -test.bench /1M -test.benchtime 10ms || exit 1; done || echo FAIL \
	) | tee /dev/stderr | $(GO) run ./table

## bench-store: lines and samples per CPU second, bytes per line, times of queries; writes docs/performance.md
bench-store:
	($(GO) test -run '^$$' -bench Append -benchtime 1x -count 7 -timeout 30m ./server/logs/store && \
	$(GO) test -run '^$$' -bench Merge -benchtime 1x -timeout 30m ./server/logs/store && \
	$(GO) test -run '^$$' -bench 'Query|Year' -benchtime 20x -timeout 30m ./server/logs/store && \
	$(GO) test -run '^$$' -bench . -benchtime 3x ./server/logs/segment && \
	$(GO) test -run '^$$' -bench . -count 3 ./server/logs/journal && \
	$(GO) test -run '^$$' -bench Append -benchtime 200x -count 15 ./server/metrics/tier && \
	$(GO) test -run '^$$' -bench Year -benchtime 5x -timeout 20m ./server/metrics/tier || echo FAIL) | tee /dev/stderr | (cd bench && $(GO) run ./figures)

## bench-traps: the mistakes that policies are known for, made with Gabion and with other libraries; writes docs/traps.md
bench-traps:
	cd bench && $(GO) test -count=1 -run TestTraps ./traps -args -write=../../docs/traps.md

## overload: limiters before a simulated service that is offered too much, in virtual time; writes docs/overload.md (ARGS=-all: all seeds)
overload:
	cd bench && $(GO) test -count=1 -timeout 60m -run TestReport ./overload -args -docs=../../docs $(ARGS)

## overload-live: a real HTTP server at ten times its capacity; writes docs/overload.md
overload-live:
	cd bench && $(GO) run ./live

bench: bench-gateway bench-policies bench-store bench-traps

## generate: everything that is made from something else; a test fails when it is out of date
generate:
	$(GO) generate work

## tidy: go mod tidy in every module
tidy:
	internal/tool/tidy.sh

bin/golangci-lint:
	GOBIN=$(GOBIN) GOWORK=off $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINTER)

clean:
	rm -rf bin
