# The commands of the project. `make run` and `make test` are the two that a newcomer needs.

CARGO_TARGET_DIR ?= target
export CARGO_TARGET_DIR
HOST ?= localhost
PORT ?= 8080
APP_DIR ?=

# Where the binary that is built finds it.
MODEL := $(CARGO_TARGET_DIR)/release/embedding-model

.PHONY: run demo test check lint ui embedding-model bench bless types

## Build everything and serve on http://localhost:8080 with embedded SQLite.
run: ui
	cargo build --release --locked
	@$(fetch_model)
	$(CARGO_TARGET_DIR)/release/tollbridge --host $(HOST) --port $(PORT) --log-style pretty \
		$(if $(APP_DIR),--app-dir $(APP_DIR))

## Serve with the mock provider and the article's setup: traffic, cost and failover with no API key.
demo: ui
	cargo build --release --locked --workspace
	@$(fetch_model)
	python3 demo/demo.py --tollbridge $(CARGO_TARGET_DIR)/release/tollbridge \
		--mock-provider $(CARGO_TARGET_DIR)/release/mock-provider --port $(PORT)

## Run all tests: Rust, official SDKs against a running gateway, scenarios, the dashboard.
test:
	tests/run/all.sh

## What a change must pass before it is committed: format, lints, unit and tidy tests.
check: lint
	cargo test --locked --lib --test tidy

lint:
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings

## Build the dashboard into web-ui/dist, where the binary embeds it from.
ui:
	@if [ ! -f web-ui/package.json ]; then exit 0; \
	elif command -v npm >/dev/null; then cd web-ui && npm ci --ignore-scripts --no-audit --no-fund && npm run build; \
	else echo "npm is not installed: the gateway is built without its dashboard (install Node.js 20 or newer)"; fi

## Fetch the model with which the semantic cache knows similar questions (87 MiB).
embedding-model:
	python3 local-embedding/fetch_model.py $(MODEL)

# One that is there, or that is named, may be another.
define fetch_model
[ -d $(MODEL) ] || [ -n "$$TOLLBRIDGE_EMBEDDING_MODEL" ] || python3 local-embedding/fetch_model.py $(MODEL) || \
	echo "without an embedding model the semantic cache answers exact requests only (make embedding-model)"
endef

## Write the dashboard's TypeScript types from the Rust ones.
types:
	cargo test --locked --lib export_bindings

## Accept the golden files as they are now, and write the cache's curve into the README.
bless:
	INSTA_UPDATE=always cargo test --locked --test wire
	tests/run/setup_cache.sh
	BLESS=1 tests/run/with_stores.py cargo test --locked --test cache

## Measure the overhead as ratios against nginx in the same run.
bench:
	cargo build --release --locked --workspace
	python3 bench/bench.py --tollbridge $(CARGO_TARGET_DIR)/release/tollbridge \
		--mock-provider $(CARGO_TARGET_DIR)/release/mock-provider
	-tests/run/setup_cache.sh
	python3 bench/cache.py --tollbridge $(CARGO_TARGET_DIR)/release/tollbridge \
		--mock-provider $(CARGO_TARGET_DIR)/release/mock-provider --model tests/run/.venv-cache/all-MiniLM-L6-v2
	tests/run/with_stores.py cargo bench --locked --bench cache
	cargo bench --locked --bench json
