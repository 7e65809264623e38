# make run | demo | test | test-fast | lint: each does all its own set-up in .venv; make lock: the tested set, anew
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Two at a time: on 2 cores half of a test is waiting for a process, a page or a file.
PYTEST := $(BIN)/python -m pytest --numprocesses 2 --dist worksteal
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: run demo test test-fast lint lock

run: $(VENV)/.run
	$(BIN)/python app.py

demo: $(VENV)/.run
	$(BIN)/python -m core demo

test: lint
	$(PYTEST)

test-fast: $(VENV)/.dev
	$(PYTEST) -m "not slow"

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# One set for every Python and system: `--fork-strategy fewest` takes what all of them can install.
lock: $(VENV)/.dev
	$(PIP) uv
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --fork-strategy fewest --no-annotate --no-emit-package pip \
	  --custom-compile-command "make lock" requirements-dev.txt --output-file requirements.lock

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Tunewright needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make run PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

# People get what requirements.txt allows, with the torch that suits their GPU; tests get the set in requirements.lock.
$(VENV)/.run: requirements.txt | $(VENV)/bin/python
	$(PIP) -r requirements.txt
	@touch $@

$(VENV)/.dev: requirements.txt requirements-dev.txt requirements.lock | $(VENV)/bin/python
	$(PIP) -r requirements-dev.txt --constraint requirements.lock
	@touch $(VENV)/.run $@
