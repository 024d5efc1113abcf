# `make demo` and `make test` need nothing but Python 3.11 or newer and make: they set up .venv by themselves.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
export FT_ASSETS_HOME ?= $(CURDIR)/.ft_assets
SIZE ?= full
WORKERS ?= 2

.PHONY: install demo test test-long test-backfill test-gpu test-ray ui bench screenshots lint format wheel clean help

help:
	@echo "make demo            a simulated week, from landed files to clamped features, in real Dagster runs"
	@echo "make demo DATA=DIR   the same for a folder of your own files"
	@echo "make ui              Dagster's UI on the same home"
	@echo "make test            the tests (set up first), on WORKERS=2 processes; make lint: ruff and mypy"
	@echo "make test-backfill   backfills of 30 days, four at a time, held to a pass one by one (of which make test-long does a few days)"
	@echo "make test-gpu        the tests that need a GPU, and no others"
	@echo "make test-ray        the tests on a Ray cluster of several nodes on this machine (installs the extra ray)"
	@echo "make screenshots     the pictures in docs/, of a home of their own (needs Debian's chromium)"
	@echo "make test-long       what takes long: kills at every step, an installed wheel; before a release"
	@echo "make bench           the tables of the benchmark (SIZE=small: minutes)"

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[encoder,dev]'
	touch $(INSTALLED)

demo: install
ifdef DATA
	$(BIN)/ft-assets land --format auto $(DATA)
else
	$(BIN)/ft-assets simulate --days 7 --sessions 300 --seed 0
endif
	$(BIN)/ft-assets run
	@echo "Open the UI on it with: make ui"

ui: install
	$(BIN)/ft-assets ui

test: install
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile -m "not long and not ray"

test-long: install
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal -m long

test-backfill: install
	FT_ASSETS_TESTS_BACKFILL_DAYS=30 $(BIN)/python -m pytest ft_assets_tests/test_backfill.py

test-gpu: install
	$(BIN)/python -m pytest -m gpu ft_assets_tests

test-ray: install
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[ray]'
	$(BIN)/python -m pytest -m ray

bench: install
	SIZE=$(SIZE) $(BIN)/python -m benchmarks

screenshots: install
	$(BIN)/python docs/screenshots.py

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

wheel: install
	$(BIN)/python -m build --wheel --no-isolation

clean:
	rm -rf dist build .pytest_cache .mypy_cache .ruff_cache
