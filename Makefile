# What there is to build, test and show. CONTRIBUTING.md explains it.

PYTHON ?= python3
BIN    := $(CURDIR)/.venv/bin
STAMPS := target/stamps
STAMP   = @mkdir -p $(@D) && touch $@

PYTHON_FILES := . ../tests/readme ../tests/interop/run ../tests/interop/python ../examples --config pyproject.toml

CORE := Cargo.toml Cargo.lock .cargo/config.toml $(shell find src -name '*.rs')

.DEFAULT_GOAL := help
.PHONY: help build demo interop lint test test-core test-abi test-python test-node test-docs test-demo clean

help: ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

build: $(STAMPS)/libnen $(STAMPS)/python $(STAMPS)/node ## libnen, the Python package and the Node package

demo: $(STAMPS)/python $(STAMPS)/node $(STAMPS)/demo ## a FastAPI server, a proxy that shows what it sees, a Node client
	@node examples/demo/demo.mjs

interop: $(STAMPS)/python $(STAMPS)/node ## every server against every client
	@tests/interop/run

# ── tests ────────────────────────────────────────────────────────────────────────────────────────────────

test: lint test-core test-abi test-python test-node test-docs interop test-demo ## everything
	@echo 'make test: everything passed'

lint: $(STAMPS)/venv $(STAMPS)/node_modules ## formatters and linters of every language; generated files
	@scripts/require clang-format=clang-format
	cargo fmt --all --check
	cargo clippy --quiet --workspace --all-targets -- --deny warnings
	cargo xtask generate --verify
	clang-format --dry-run --Werror $(shell find tests/abi examples/c -name '*.[ch]')
	cd python && $(BIN)/ruff check $(PYTHON_FILES) && $(BIN)/ruff format --check $(PYTHON_FILES)
	cd node && npm run --silent lint

test-core: ## the core and the C ABI's Rust side
	cargo test --quiet

test-abi: $(STAMPS)/libnen ## libnen from C: sanitizers, valgrind, exported symbols
	@scripts/require valgrind=valgrind
	tests/abi/run

test-python: $(STAMPS)/python ## the Python package, over real sockets
	cd python && $(BIN)/mypy && MYPYPATH=. $(BIN)/python -m mypy.stubtest nen && $(BIN)/pytest --quiet

test-node: $(STAMPS)/node ## the Node package, over real sockets
	cd node && npm test --silent

test-docs: $(STAMPS)/python $(STAMPS)/node ## that the examples in README.md run as they stand
	@$(BIN)/python tests/readme

test-demo: $(STAMPS)/python $(STAMPS)/node $(STAMPS)/demo ## that the demo tells its story without a terminal, too
	@node examples/demo/demo.mjs > target/demo.txt || { cat target/demo.txt; exit 1; }
	@for code in ISO-5001 ISO-3002 ISO-4001; do grep -q "$$code" target/demo.txt; done

clean: ## remove everything that was built
	rm -rf target .venv node/node_modules node/dist node/*.node examples/demo/node_modules

# ── what the above needs; a second run redoes nothing ────────────────────────────────────────────────────

$(STAMPS)/venv: python/requirements-dev.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement $<
	$(STAMP)

$(STAMPS)/node_modules: node/package-lock.json node/package.json
	cd node && npm ci --silent --no-fund --no-audit
	$(STAMP)

$(STAMPS)/libnen: $(CORE) $(shell find nen-ffi -type f)
	cargo build --quiet --package nen-ffi
	$(STAMP)

$(STAMPS)/python: $(STAMPS)/venv $(CORE) python/Cargo.toml python/pyproject.toml $(shell find python/src -type f)
	cd python && VIRTUAL_ENV=$(CURDIR)/.venv PATH=$(BIN):$$PATH maturin develop --quiet --release
	$(STAMP)

$(STAMPS)/node: $(STAMPS)/node_modules $(CORE) node/Cargo.toml node/tsconfig.json $(shell find node/src node/ts -type f)
	cd node && npm run --silent build
	$(STAMP)

$(STAMPS)/demo: examples/demo/package-lock.json
	cd examples/demo && npm ci --silent --no-fund --no-audit
	$(STAMP)
