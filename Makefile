# Privyseal's one entry point: `make help` lists what it does.
#
# Everything it needs is Go, git and make on Debian; `make setup` installs the rest.
# The binaries are built without cgo, so they run on any Linux of the same architecture.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GO        ?= go
PROGRAMS  := $(notdir $(wildcard cmd/*))
TOOL      := $(GO) tool -modfile=internal/tools/go.mod
SCRIPTS   := .ci/run testdata/demo/run docs/from-scratch.sh

# What the demo and the tests run: RPM's own tools as the judge of ours, a compiler
# and its debug tools for real packages, and the means to watch and break a network.
PACKAGES  := ca-certificates openssl gcc libc6-dev make git \
	rpm dnf createrepo-c debugedit dwz elfutils cpio file gzip xz-utils zstd \
	gnupg ima-evm-utils ostree python3 skopeo sqv strace nftables iproute2 mount procps shellcheck \
	postgresql postgresql-client

.PHONY: help setup build man demo test test-long check bench fmt clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install the Debian packages that demo and tests need (does nothing when they are there)
	@root=; [ "$$(id -u)" = 0 ] || root=sudo; \
	missing=$$(comm -23 <(printf '%s\n' $(PACKAGES) | sort) \
		<(dpkg-query -W -f='$${Package} $${db:Status-Status}\n' | sed -n 's/ installed$$//p' | sort)); \
	if [ -n "$$missing" ]; then \
		echo "setup: installing" $$missing; \
		$$root apt-get update -qq; \
		$$root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; \
	fi; \
	if ! getent hosts localhost >/dev/null; then \
		echo "setup: this machine does not know localhost (a bare chroot): adding it to /etc/hosts"; \
		echo '127.0.0.1 localhost' | $$root tee -a /etc/hosts >/dev/null; \
	fi

build: ## Build the programs into bin/
	@mkdir -p bin
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/ $(PROGRAMS:%=./cmd/%)

man: build ## Write the manual pages of privyseal into bin/man
	bin/privyseal man bin/man

demo: setup build ## From a C file to an installed, verified RPM in about a minute
	@testdata/demo/run bin

test: setup build ## Run the tests (at most 10 minutes on 2 cores)
	@$(GO) test -count=1 -run '^TestCapabilities$$' -v ./internal/lab/house | sed -n 's/^.*capability: /  /p'
	$(GO) test -timeout 10m ./...

test-long: setup build ## Run also the tests that need gigabytes or many minutes
	$(GO) test -timeout 60m -tags long ./...
	PRIVYSEAL_TEST_ENGINE=postgres $(GO) test -timeout 10m ./buildsys/hub

check: setup ## Formatting, vet, staticcheck, room rules, tidy go.mod, README, shell scripts
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); \
	if [ -n "$$unformatted" ]; then echo "run gofmt -w on:" $$unformatted; exit 1; fi
	$(GO) vet ./...
	$(GO) vet -tags long ./...
	$(TOOL) staticcheck ./...
	$(TOOL) staticcheck -tags long ./...
	$(GO) mod tidy -diff
	cd internal/tools && $(GO) mod tidy -diff
	$(GO) test -count=1 ./internal/lab/house
	shellcheck $(SCRIPTS)

bench: setup build ## Measure signing and the hub beside their peers; figures go to bin/bench.json
	BENCH_JSON=$(CURDIR)/bin/bench.json $(GO) test -timeout 60m -run '^$$' -bench . -benchtime 1x ./buildsys/testbed/bench | grep -v '^Benchmark'

fmt: ## Format the Go files
	gofmt -w $$(git ls-files '*.go')

clean: ## Remove bin/
	rm -rf bin
