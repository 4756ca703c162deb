# `make run` and `make test` set everything up themselves.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INPUT ?= seeds
FUZZ_SECONDS ?= 1800
OUT ?= data
WORKERS ?= auto
# Every supported Python this machine has: a path each.
PYTHONS = $(shell $(PYTHON) tests/pythons.py)

.PHONY: help run test test-fast test-all check format lock bench fuzz clean

help: ## what can be made here
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "make %-10s %s\n", $$1, $$2}'

$(VENV)/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --requirement requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	$(BIN)/python -m compileall -q expectations flows transforms tests
	@touch $@

run: $(VENV)/installed ## clean INPUT (default seeds/) into OUT (default data/)
	$(BIN)/reinschrift run $(INPUT) --out $(OUT)

test: $(VENV)/installed ## every test
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -rs

test-fast: $(VENV)/installed ## the inner loop: no servers, no killing, no bench
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not slow"

test-all: ## every test on every supported Python of this machine
	@for python in $(PYTHONS); do \
		venv=.venvs/$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
		echo "== $$python"; \
		$(MAKE) --no-print-directory test PYTHON=$$python VENV=$$venv || exit 1; \
	done

check: $(VENV)/installed ## linters and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/installed ## let ruff format the tree
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format --quiet .

lock: $(VENV)/installed ## pin the newest allowed versions into requirements.lock
	$(BIN)/uv pip compile --quiet --universal --fork-strategy fewest --generate-hashes --no-emit-index-url \
		--no-header --upgrade --extra dev --output-file requirements.lock pyproject.toml

bench: $(VENV)/installed ## the figures of the README, measured here
	$(BIN)/python -m benchmarks.quality
	$(BIN)/python -m benchmarks.speed

fuzz: $(VENV)/installed ## fuzz every reader, FUZZ_SECONDS long
	$(BIN)/python -m tests.fuzz.fuzz_readers -max_total_time=$(FUZZ_SECONDS)

clean: ## remove the environments and the output
	rm -rf .venv .venvs
	find data -mindepth 1 ! -name README.md -delete
