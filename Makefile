# Each target is one visible command. `make train` and `make test` set up their own environment in .venv.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: train test check slow faults mutation doctor coverage clean

train: .venv/ready
	$(BIN)/python train.py model=lstm_attn $(ARGS)

test: .venv/ready-dev
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow" $(ARGS)

# the same tests, 1.7 times as long
coverage: .venv/ready-dev
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow" --cov=seq2seq_lab --cov-report=term --cov-fail-under=85 $(ARGS)

check: .venv/ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

slow: .venv/ready-dev
	$(BIN)/python -m pytest -m slow $(ARGS)

# kills, signals, full disks, damaged and hostile files against real processes: about an hour; FAST=1: under 15 minutes
faults: .venv/ready-dev
	$(BIN)/python tests/faults/run.py $(if $(FAST),--fast) $(ARGS)

# plants every bug of tests/mutations.toml in a copy of the checkout: each must be caught
mutation: .venv/ready-dev
	$(BIN)/python tests/mutation.py $(ARGS)

# make doctor ARGS="model=lstm decoding=beam": the correctness properties, checked on that model
doctor: .venv/ready
	$(BIN)/python -m seq2seq_lab doctor $(ARGS)

.venv/bin/python:
	$(PYTHON) -m venv .venv

# torch comes first and by its exact pin: without it pip would take a build with several GB of CUDA
.venv/ready: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) "$$(grep '^torch==' constraints.txt)"
	$(PIP) --constraint constraints.txt --editable ".[spacy,sweep]"
	touch $@

.venv/ready-dev: .venv/ready
	$(PIP) --constraint constraints.txt --editable ".[spacy,sweep,dev]"
	touch $@

clean:
	rm -rf .venv build dist
