# The two commands of the README are `make run` and `make test`; each installs what is missing.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
# `make run PROFILE=ci ARGS='--keep-failed'`
PROFILE := quick
ARGS :=

# Bytecode is kept: without it, every process of the tests compiles what it imports, and pytest rewrites all asserts again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run check check-unit check-code test campaign faults format mutants bench measure docs deps lock clean

help:
	@echo "make run     build, boot and test the cells of a profile (PROFILE=quick)"
	@echo "make check   a minute: ruff, mypy --strict, import-linter, names, codespell, shellcheck, unit tests"
	@echo "make test    about an hour: all tests that a change needs; they boot real guests"
	@echo "make campaign  hours: mutants, simulations, real bisections; its figures go to docs/reference/campaign.md"
	@echo "make faults  an hour: whole runs with one thing broken at a time; docs/reference/faults.md adds up what was tried"
	@echo "make mutants does each case of the suites fail in a guest that is broken?"
	@echo "make bench   figures of speed, next to those of others"
	@echo "make measure how the source is built, in figures next to those wanted"
	@echo "make docs    the documentation as HTML in docs/_build"
	@echo "make deps    what the others need: distribution packages and a virtual environment"
	@echo "make lock    resolve requirements.lock again"

run: deps
	ci/with-docker $(BIN)/harness run --profile $(PROFILE) $(ARGS)

# Two halves: what is quick or waits for processors, with branch coverage; and what waits for guests and containers.
# An emulated guest takes a processor; GUESTS=0 runs one at a time. In their own order, the longest file is not the last.
GUESTS := 2
test: deps
	ci/with-docker $(BIN)/pytest tests/unit tests/browser tests/network -m 'not longer' --cov --cov-report=term:skip-covered $(ARGS)
	ci/with-docker $(BIN)/pytest tests/guest tests/docker -m 'not longer' -n $(GUESTS) --dist loadfile --no-loadscope-reorder $(ARGS)

# The parts run side by side: the types and the rules on one processor next to the first tests.
check: deps
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target --keep-going check-unit check-code

check-unit:
	$(BIN)/pytest -q $(ARGS)

SCRIPTS := suites/mutants.sh ci/in-debian ci/install-deps ci/release-gate ci/run-shard ci/with-docker ci/with-make .ci/run tests/guest/ci_doubles/*
check-code:
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/python -m tools.check_names
	shellcheck $(SCRIPTS)

# What takes hours, step by step; it goes on where it was interrupted.
campaign: deps
	ci/with-docker $(BIN)/python -m tools.campaign $(ARGS)

faults: deps
	$(BIN)/python -m tools.faults $(ARGS)

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
	# What checks the hashes of all others has its own checked, by pip: the version and hashes of the lock file.
	test -x $(UV) || { sed -n '/^uv==/,/^[^ ]*[^\\]$$/p' requirements.lock >$(VENV)/uv.lock && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $(VENV)/uv.lock; }
	$(UV) pip sync --quiet --require-hashes --python $(BIN)/python requirements.lock
	# Its build backend is that of the lock file too, and not what an index has today.
	$(UV) pip install --quiet --no-deps --no-build-isolation --python $(BIN)/python --editable .
	touch $@

lock:
	$(UV) pip compile --quiet --all-extras --generate-hashes --no-emit-index-url --python-version 3.11 \
	  --custom-compile-command 'make lock' --output-file requirements.lock pyproject.toml

clean:
	rm -rf $(VENV) docs/_build
