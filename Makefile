# Every target prepares .venv by itself; a machine needs Python >= 3.11, git and make.
#
# What pip and make have to say goes to stderr: the last line that `make demo ARGS="--exit --json"`
# writes to stdout is the demo's own JSON.

PYTHON ?= python3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links

# Stamps of what .venv holds: the interpreter; with runtime packages; with the developers' tools.
CREATED := $(VENV)/.created
RUNTIME := $(VENV)/.runtime
DEV := $(VENV)/.dev

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help venv demo test test-system case-orders soak soak-partners large-bundle tamper cases simulate check proto lock bench clean

help: ## Tell what can be made.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

venv: $(DEV) ## Prepare .venv with everything that a developer needs.

demo: $(RUNTIME) ## Run the demonstration: make demo ARGS="--exit --json".
	@$(BIN)/sesn demo $(ARGS)

bench: $(RUNTIME) ## Measure this machine: make bench ARGS="...".
	@$(BIN)/sesn bench $(ARGS)

# Where a machine forbids Python to keep what it compiled, each process that a test starts would
# compile the whole node.
test: export PYTHONDONTWRITEBYTECODE =
test: $(DEV) ## Run the tests that need nothing but Python.
	@$(BIN)/pytest -n auto --dist worksteal -m "not system" tests $(ARGS)

test-system: $(DEV) ## Run the tests that check our work with system commands (openssl).
	@$(BIN)/pytest -m system tests $(ARGS)

soak: $(DEV) ## Kill processes and stop their database under traffic: make soak ARGS="--kills 5".
	@$(BIN)/python -m tests.soak.killing $(ARGS)

case-orders: $(DEV) ## Play a case in many orders: make case-orders ARGS="--interleavings 3000".
	@$(BIN)/python -m tests.soak.case_orders $(ARGS)

soak-partners: $(DEV) ## Measure what misbehaving partners cost others; see docs/performance.md.
	@$(BIN)/python -m tests.soak.misbehaving $(ARGS)

large-bundle: $(DEV) ## Audit a large bundle and measure it: make large-bundle ARGS="--messages 100000".
	@$(BIN)/python -m tests.soak.large_bundle $(ARGS)

cases: $(DEV) ## Play histories of cases, some with a cheat: make cases ARGS="--histories 5000".
	@$(BIN)/python -m tests.soak.cases $(ARGS)

tamper: $(DEV) ## Tamper with an audit bundle at random: make tamper ARGS="--tamperings 10000".
	@$(BIN)/python -m tests.soak.tampering $(ARGS)

simulate: $(DEV) ## Run simulated histories: make simulate ARGS="--histories 10000"; see docs/testing.md.
	@$(BIN)/python -m tests.simulation $(ARGS)

check: $(DEV) ## Lint, formatting, types, and who imports whom.
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

proto: $(DEV) ## Generate sesn_node/wire/_pb from proto/.
	@$(BIN)/python proto/generate.py sesn_node/wire/_pb

lock: $(DEV) ## Pin the dependencies anew; ARGS=--upgrade takes the newest releases.
	@$(LOCK) $(ARGS) pyproject.toml --group dev -o requirements-dev.txt
	@$(LOCK) pyproject.toml -c requirements-dev.txt -o requirements.txt
	@$(LOCK) --group build -c requirements-dev.txt -o requirements-build.txt

clean: ## Remove .venv and everything that can be made again.
	@rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(CREATED):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "make: $(PYTHON) must be Python 3.11 or later;" \
			"name another one: make PYTHON=/path/to/python3" >&2; exit 2; }
	@echo "make: preparing $(VENV) (once)" >&2
	@$(PYTHON) -m venv --clear $(VENV) >&2
	@touch $@

$(RUNTIME): $(CREATED) requirements.txt requirements-build.txt pyproject.toml
	@$(PIP) install --require-hashes -r requirements.txt -r requirements-build.txt >&2
	@$(PIP) install --no-deps --no-build-isolation -e . >&2
	@touch $@

$(DEV): $(CREATED) requirements-dev.txt pyproject.toml
	@$(PIP) install --require-hashes -r requirements-dev.txt >&2
	@$(PIP) install --no-deps --no-build-isolation -e . >&2
	@touch $(RUNTIME) $@
