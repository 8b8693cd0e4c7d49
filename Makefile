# `make` explains itself; `make run` and `make test` need Python 3.11 or newer with venv, make, and nothing else.
.DEFAULT_GOAL := help
.PHONY: help run test demo check chaos bench clean
SHELL := /bin/sh

PYTHON ?= $(shell for python in python3.12 python3.11 python3 python3.13 python3.14; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
BENCHMARKS ?= $(basename $(notdir $(shell grep -l __main__ benchmarks/*.py)))
READY := .venv/.ready
BIN := .venv/bin

help: ## Show what can be made here
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(READY) ## Start everything on this machine: servers, simulator, web, worker, beat, flower
	@$(BIN)/python -m local.run

test: $(READY) ## Run every test on throw-away servers, beside a running `make run`
	@$(BIN)/python -m tests.prepare
	@$(BIN)/python -m pytest --numprocesses=auto --maxprocesses=8 -m "not chaos" $(ARGS)

demo: $(READY) ## Play 300 events with everything that goes wrong, and check that nothing is lost or doubled
	@$(BIN)/python -m local.demo $(ARGS)

check: $(READY) ## Lint, format, types, import contracts and unit tests, in under a minute
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m pytest -q --numprocesses=2 tests/unit tests/architecture

chaos: $(READY) ## Send events for 3 minutes while everything is killed at random (ARGS="--seed 7 --seconds 180")
	@$(BIN)/python -m local.chaos $(ARGS)

bench: $(READY) ## Measure on this machine, bounded and on loopback only (BENCHMARKS=intake for one)
	@set -e; for name in $(BENCHMARKS); do $(BIN)/python -m benchmarks.$$name $(ARGS); done

clean: ## Remove the environment and every local database, mail and cache
	rm -rf .venv .redrive .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache celerybeat-schedule*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# uv comes from PyPI into the environment itself when there is none; --inexact leaves it there. It trusts its own list of certificate
# authorities first and this machine's second, since a bare machine may have none and a company's network may need its own.
SYNC = PATH="$$PATH:$(CURDIR)/$(BIN)" UV_PROJECT_ENVIRONMENT=.venv uv sync --quiet --frozen --inexact --no-python-downloads --python $(BIN)/python

$(READY): pyproject.toml uv.lock
	@test -n "$(PYTHON)" || { echo "Redrive needs Python 3.11 or newer (3.12 is best); found $$(python3 --version 2>&1 || echo none)." >&2; exit 1; }
	@test -x $(BIN)/python || { echo "Making .venv with $(PYTHON) …"; $(PYTHON) -m venv .venv; } || \
		{ rm -rf .venv; echo "Python's venv is missing; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@command -v uv >/dev/null || test -x $(BIN)/uv || { $(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null; \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check uv; }
	@echo "Installing what uv.lock names …"; $(SYNC) 2>.venv/sync.log || UV_SYSTEM_CERTS=1 UV_NATIVE_TLS=1 $(SYNC)
	@touch $@
