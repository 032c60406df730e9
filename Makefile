# The two commands of the README are `make run` and `make test`; each installs what is missing.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
# `make run PROFILE=ci ARGS='--keep-failed'`
PROFILE := quick
ARGS :=

.PHONY: help run test lint format mutants bench measure docs deps lock clean

help:
	@echo "make run     build, boot and test the cells of a profile (PROFILE=quick)"
	@echo "make test    the tests of the harness itself; they boot real guests"
	@echo "make lint    ruff, mypy --strict, import-linter, shellcheck"
	@echo "make mutants does each case of the suites fail in a guest that is broken?"
	@echo "make bench   figures of speed, beside those of others"
	@echo "make measure how the source is built, in figures beside those wanted"
	@echo "make docs    the documentation as HTML in docs/_build"
	@echo "make deps    what the others need: distribution packages and a virtual environment"
	@echo "make lock    resolve requirements.lock anew"

run: deps
	ci/with-docker $(BIN)/harness run --profile $(PROFILE) $(ARGS)

test: deps
	ci/with-docker $(BIN)/pytest $(ARGS)

lint: deps
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	shellcheck suites/mutants.sh ci/in-debian ci/install-deps ci/release-gate ci/run-shard ci/with-docker ci/with-make .ci/run tests/guest/ci_doubles/*

format: deps
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

mutants: deps
	ci/with-docker $(BIN)/python -m tools.mutants $(ARGS)

bench: deps
	ci/with-docker $(BIN)/python -m bench

measure: deps
	$(BIN)/python -m tools.measure $(ARGS)

docs: deps
	$(BIN)/sphinx-build -W --keep-going -q docs docs/_build

deps: $(VENV)/.complete
	@ci/install-deps

# The environment is a function of the lock file: it is brought to exactly that state when the lock changes.
$(VENV)/.complete: requirements.lock pyproject.toml
	@ci/install-deps
	test -x $(BIN)/python || python3 -m venv $(VENV)
	test -x $(UV) || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(UV) pip sync --quiet --require-hashes --python $(BIN)/python requirements.lock
	$(UV) pip install --quiet --no-deps --python $(BIN)/python --editable .
	touch $@

lock:
	$(UV) pip compile --quiet --all-extras --generate-hashes --no-emit-index-url --python-version 3.11 \
	  --custom-compile-command 'make lock' --output-file requirements.lock pyproject.toml

clean:
	rm -rf $(VENV) docs/_build
