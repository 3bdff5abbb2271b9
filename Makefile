# Two commands: `make demo` and `make test`. Both install what they need into .venv first.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-all check bench clean

demo: .venv/demo.stamp
	$(BIN)/chainrule demo

test: .venv/test.stamp check
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 -m "not slow"

test-all: .venv/test.stamp check
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2

check: .venv/test.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest --doctest-modules src/chainrule -p no:cacheprovider

# Measures the loop and the start (minutes), then writes what is in benchmarks/results into the docs and recipes.
bench: .venv/test.stamp
	$(BIN)/python benchmarks/loop.py
	$(BIN)/python benchmarks/start.py
	$(BIN)/python benchmarks/publish.py

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/demo.stamp: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	$(BIN)/chainrule --version
	touch $@

.venv/test.stamp: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[test]"
	touch $@ .venv/demo.stamp

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
