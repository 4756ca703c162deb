# `make run` and `make test` set everything up themselves.
PYTHON ?= python3
BIN := .venv/bin
INPUT ?= seeds
FUZZ_SECONDS ?= 1800
OUT ?= data

.PHONY: help run test check format lock bench fuzz clean

help: ## what can be made here
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "make %-8s %s\n", $$1, $$2}'

.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --requirement requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

run: .venv/installed ## clean INPUT (default seeds/) into OUT (default data/)
	$(BIN)/reinschrift run $(INPUT) --out $(OUT)

test: .venv/installed ## every test
	$(BIN)/python -m pytest

check: .venv/installed ## linters and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/installed ## let ruff format the tree
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format --quiet .

lock: .venv/installed ## pin the newest allowed versions into requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header \
		--upgrade --extra dev --output-file requirements.lock pyproject.toml

bench: .venv/installed ## the figures of the README, measured here
	$(BIN)/python -m benchmarks.quality
	$(BIN)/python -m benchmarks.speed

fuzz: .venv/installed ## fuzz every reader, FUZZ_SECONDS long
	$(BIN)/python -m tests.fuzz.fuzz_readers -max_total_time=$(FUZZ_SECONDS)

clean: ## remove the environment and the output
	rm -rf .venv data
