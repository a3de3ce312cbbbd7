# One makefile for the whole repository; `make` prints the targets.
#
# What a machine needs: Go 1.26 or newer, make, and a C compiler for the race detector. All else comes with go.mod files
# and is fetched and built on first use.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# The modules of the workspace, as folders, and those that have Go files outside of it.
MODULES   := $(shell awk '$$1 ~ "^[.]/" { print substr($$1, 3) }' go.work)
OUTSIDE   := tools $(patsubst %/go.mod,%,$(wildcard benchmarks/go.mod))

# MODULE=kafka restricts a target to one module. `work` means every module of the workspace to the go command.
MODULE    ?=
PACKAGES  := $(if $(MODULE),./$(MODULE)/...,work)
# The tests of module kafka run for minutes where a machine is busy; the go command's own limit is ten.
TEST      := go test -race -shuffle=on -timeout 20m
TOOLS     := GOWORK=off go -C tools
# The benchmarks have a go.work of their own, the tools none.
GOWORK_OF  = $(if $(wildcard $(1)/go.work),GOWORK=$(CURDIR)/$(1)/go.work,GOWORK=off)
# $(call REPOCHECK,Budget) runs one of the repository checks, without a name all of them.
REPOCHECK  = $(TOOLS) test -count=1 ./repocheck -run '^TestRepository$$/$(1)' -repository '$(CURDIR)' -module '$(MODULE)'

.PHONY: help
help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  \033[1m%-16s\033[0m %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST)) | \
		if [ -t 1 ]; then cat; else sed 's/\x1b\[[0-9]*m//g'; fi

##
.PHONY: demo
demo: need-go ## run the shop: three services and Kafka in one process (ARGS=-serve leaves it running)
	@# Not go run, which ends with 1 when the program ends well after a Ctrl-C.
	go build -o bin/shop ./examples/shop
	bin/shop $(ARGS)

.PHONY: test
test: need-go need-gcc ## test every module with the race detector, shuffled (MODULE=kafka: one)
	CGO_ENABLED=1 $(TEST) $(PACKAGES)
ifeq ($(MODULE),)
	@$(foreach dir,$(OUTSIDE),echo 'cd $(dir) && $(TEST) ./...' && cd $(CURDIR)/$(dir) && $(call GOWORK_OF,$(dir)) CGO_ENABLED=1 $(TEST) ./... &&) true
endif

.PHONY: test-standalone
test-standalone: need-go ## build, vet and test each module (MODULE=kafka: one) without the workspace, siblings at HEAD
	@$(TOOLS) run ./cmd/modproxy test $(MODULE)

# The older supported Go is the one of go.mod. Between two releases the standard library changes error texts of
# encoding/json, allocations and net/http most.
NEXT_GO := go1.27.4
.PHONY: test-next
test-next: ## the same with the newer supported Go, which the go command fetches
	@GOTOOLCHAIN=$(NEXT_GO) $(MAKE) --no-print-directory test-standalone

.PHONY: scaffold
scaffold: need-go ## make a service from each template outside of the workspace; build, test, run, call and stop it (ARGS=-cold)
	@# The go command caches a test without regard to files outside of its module.
	@$(TOOLS) test -count=1 ./scaffold
	@$(TOOLS) run ./cmd/scaffold $(ARGS)

##
.PHONY: release-check
release-check: need-go ## what a release needs: the modules as services get them, compared with the last release
	@$(TOOLS) run ./cmd/release -check

.PHONY: release
release: need-go ## MODULES="httpclient=v0.2.0 errors=v0.1.1": commit and tag it here (ARGS=-dry-run: in a clone only)
	@$(TOOLS) run ./cmd/release $(ARGS) $(foreach m,$(MODULES),$(if $(findstring =,$(m)),$(m)))

# A clone is released, in whole and in parts, and services use what was released: for changes of the modules' borders.
.PHONY: test-release
test-release: need-go ## release a clone of HEAD, part by part, and use it as a service does
	RELEASE_TEST_REPOSITORY='$(CURDIR)' $(TOOLS) test -count=1 -tags realrepository -run '^TestReal' -timeout 20m ./release

.PHONY: vulncheck
vulncheck: need-go ## known vulnerabilities in what the modules call (VULNDB=file:///…: not from vuln.go.dev; MODULE=kafka: one)
	@scanner=$$(GOWORK=off go -C tools tool -n govulncheck) && for module in $(or $(MODULE),$(MODULES)); do \
		echo "govulncheck $$module"; out=$$($$scanner $(if $(VULNDB),-db $(VULNDB)) -C $$module ./... 2>&1) || { echo "$$out"; \
			case "$$out" in *vuln.go.dev*|*'dial tcp'*|*'fetching vulnerabilities'*) \
				echo "make: the list of vulnerabilities cannot be fetched from https://vuln.go.dev: this needs the network, or VULNDB=file:///… with a copy of it" >&2;; esac; exit 1; }; done

.PHONY: wire
wire: need-go ## rewrite the fixtures of what services say to each other
	@$(TOOLS) run ./cmd/release -wire

##
# A real Apache Kafka: make kafka says what is missing, if anything is. KAFKA_BROKERS=host:port,… names a running cluster
# instead, to all of these but make kafka, as to make demo.
NODES ?= 1
.PHONY: kafka
kafka: bin/kafka ## run Apache Kafka until Ctrl-C and print its address (NODES=3: three nodes)
	@bin/kafka up -nodes $(NODES)

.PHONY: test-kafka
test-kafka: need-gcc bin/kafka ## test the promises of module kafka on a real Apache Kafka, with both group protocols
	@grep -qrs '^func TestPromise' kafka --include='*_test.go' || { echo 'make: module kafka has no TestPromise…, so there is nothing to test' >&2; exit 1; }
	@command -v kcat >/dev/null || echo 'kcat is missing, so what it reads is not tested: apt-get install kcat' >&2
	CGO_ENABLED=1 bin/kafka run bash -c 'for protocol in classic consumer; do echo "group protocol: $$protocol"; \
		KAFKA_GROUP_PROTOCOL=$$protocol go test -race -count=1 -run "^TestPromise" ./kafka/... || exit 1; done'
ifndef KAFKA_BROKERS
	$(TOOLS) test -count=1 -tags realkafka -run '^TestReal' ./kafkacluster
endif

SEED ?=
.PHONY: chaos
chaos: bin/kafka ## kill consumers and brokers under load, and account for every record (SEED=7, ARGS=-short)
	@go build -o bin/chaos ./kafka/internal/chaos
	@bin/chaos $(if $(SEED),-seed $(SEED)) -cluster 'bin/kafka up -nodes 3' $(ARGS)

FROM ?= HEAD~1
.PHONY: chaos-upgrade
chaos-upgrade: bin/kafka ## the same, with consumers of FROM=HEAD~1 that a deployment replaces
	@old=$$(mktemp -d) && trap 'git worktree remove --force "$$old/tree"; rm -rf "$$old"' EXIT && \
		git worktree add --quiet --detach "$$old/tree" '$(FROM)' && go -C "$$old/tree" build -o "$$old/chaos" ./kafka/internal/chaos && \
		go build -o bin/chaos ./kafka/internal/chaos && \
		bin/chaos $(if $(SEED),-seed $(SEED)) -from "$$old/chaos" -cluster 'bin/kafka up -nodes 3' $(ARGS)

.PHONY: bin/kafka
bin/kafka: need-go
	@$(TOOLS) build -o '$(CURDIR)/bin/kafka' ./cmd/kafka

##
.PHONY: lint
lint: need-go lint-format lint-vet lint-fix lint-golangci lint-tidy lint-repository ## everything a machine can criticise (MODULE=kafka: one)

.PHONY: lint-format
lint-format:
	@echo gofmt -l
	@files=$$(gofmt -l $(or $(MODULE),$(MODULES) $(OUTSIDE))); [ -z "$$files" ] || { printf 'not formatted (gofmt -w):\n%s\n' "$$files"; exit 1; }

.PHONY: lint-vet
lint-vet:
	@echo 'go vet $(PACKAGES)' && go vet $(PACKAGES)
	@$(foreach os,$(filter-out $(shell go env GOOS),linux windows darwin),echo 'GOOS=$(os) go vet $(PACKAGES)' && GOOS=$(os) CGO_ENABLED=0 go vet $(PACKAGES) &&) true
ifeq ($(MODULE),)
	@$(foreach dir,$(OUTSIDE),echo 'cd $(dir) && go vet ./...' && $(call GOWORK_OF,$(dir)) go -C $(dir) vet ./... &&) true
endif

.PHONY: lint-fix
lint-fix:
	@echo go fix -diff $(PACKAGES)
	@go fix -diff $(PACKAGES) || { echo 'the code is older than the language: go fix $(PACKAGES)'; exit 1; }
ifeq ($(MODULE),)
	@$(foreach dir,$(OUTSIDE),$(call GOWORK_OF,$(dir)) go -C $(dir) fix -diff ./... &&) true
endif

# The go command builds the pinned linter once (two minutes) and keeps it in its build cache. Templates pass the repository's
# settings, and those that they give to services.
.PHONY: lint-golangci
lint-golangci:
	@echo golangci-lint run
	@linter=$$(GOWORK=off go -C tools/lint tool -n golangci-lint) && \
		$$linter run --allow-parallel-runners $(if $(MODULE),./$(MODULE)/...,$(MODULES:%=./%/...)) && \
		$(if $(MODULE),,$(foreach dir,$(OUTSIDE),(cd $(dir) && $(call GOWORK_OF,$(dir)) $$linter run --allow-parallel-runners ./...) &&)) \
		$(foreach dir,$(or $(filter templates/%,$(MODULE)),$(if $(MODULE),,$(filter templates/%,$(MODULES)))),(cd $(dir) && echo 'cd $(dir) && golangci-lint run' && $$linter run --allow-parallel-runners -c .golangci.yml ./...) &&) true

.PHONY: lint-tidy
lint-tidy:
	@echo go mod tidy -diff
	@$(TOOLS) run ./cmd/modproxy tidy -check $(MODULE)
	@$(TOOLS) mod tidy -diff

.PHONY: lint-repository
lint-repository:
	@echo 'repository checks'
	@$(call REPOCHECK)

##
.PHONY: tidy
tidy: need-go ## complete go.mod and go.sum of every module (MODULE=kafka: of one) and go.work's replaces
	@$(TOOLS) run ./cmd/modproxy tidy $(ARGS) $(MODULE)
ifeq ($(MODULE),)
	@$(TOOLS) mod tidy
endif

.PHONY: readme
readme: need-go ## refresh the blocks of Go in all Markdown files from their sources (MODULE=kafka: of one module)
	@$(call REPOCHECK,Markdown) -update readme

.PHONY: budget
budget: need-go ## rewrite the lists of what each module may link
	@$(call REPOCHECK,Budget) -update budget

.PHONY: simulate
simulate: need-go ## a dependency in trouble, in virtual time: the figures and the plot of resilience/SIMULATION.md
	@go test ./resilience/internal/simulation -count=1 -update

##
# The rows beside Java and on a real Kafka need what make kafka needs; where it is missing, they say so.
.PHONY: bench
bench: bin/benchmarks bin/kafka ## this SDK beside its peers, all rows in ten minutes: benchmarks/RESULTS.md (ARGS=-resume goes on)
	@cd benchmarks && ../bin/benchmarks $(ARGS)

.PHONY: bench-quick
bench-quick: bin/benchmarks ## the same in one minute, less exactly, without a real Kafka; writes nothing
	@cd benchmarks && ../bin/benchmarks -quick $(ARGS)

.PHONY: bench-growth
bench-growth: bin/benchmarks ## how cost grows with hosts, workers, partitions, retries, in five minutes: plots in docs/performance
	@cd benchmarks && ../bin/benchmarks -growth $(ARGS)

.PHONY: bin/benchmarks
bin/benchmarks: need-go
	@cd benchmarks && $(call GOWORK_OF,benchmarks) go build -o ../bin/benchmarks .

FUZZTIME ?= 10s
.PHONY: fuzz
fuzz: need-go ## run each fuzz test for FUZZTIME=10s (MODULE=errors: of one module)
	@for dir in $$(go list -f '{{.Dir}}' $(PACKAGES)); do \
		for name in $$(cd "$$dir" && sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' *_test.go 2>/dev/null); do \
			echo "$$dir $$name"; go test -C "$$dir" -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) .; \
		done; \
	done

.PHONY: cover
cover: need-go ## test coverage of each package; coverage/index.html shows the lines
	@mkdir -p coverage
	@go test -coverprofile=coverage/profile.txt $(PACKAGES)
	@go tool cover -html=coverage/profile.txt -o coverage/index.html
	@go tool cover -func=coverage/profile.txt | tail -n 1

.PHONY: docs
docs: need-go ## the documentation of every package as HTML pages in bin/docs
	@$(TOOLS) run ./cmd/docs

.PHONY: need-go
need-go:
	@command -v go >/dev/null || { echo 'make: Go is missing: install Go 1.26 or newer from https://go.dev/dl/' >&2; exit 1; }

# The race detector is linked by cgo. Without a compiler the go command only says that -race requires cgo.
.PHONY: need-gcc
need-gcc: need-go
	@cc=$$(go env CC); command -v "$${cc%% *}" >/dev/null || { \
		echo "make: the race detector needs a C compiler, and there is no $$cc: apt-get install gcc libc6-dev (or set CC)" >&2; exit 1; }
