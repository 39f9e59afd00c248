# Each target is one visible command. `make train` and `make test` set up their own environment in .venv.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: train test check slow faults mutation doctor coverage wheel docs reproductions clean

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

# builds wheel and sdist in dist/, and does in an empty environment, away from the checkout, what a user of the wheel does
# first; ARGS=--full: doctor, study and report as well
wheel: .venv/ready-dev
	rm -rf dist
	$(BIN)/python -m hatchling build
	$(BIN)/python scripts/check_wheel.py dist/*.whl $(ARGS)

# the pages of docs/ as a site in build/docs; a warning is an error
docs: .venv/ready
	$(PIP) --constraint constraints.txt --group docs
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet docs build/docs

# the pages of docs/reproductions, each from the study that is stored beside it, and docs/atlas.md from all of them
reproductions: .venv/ready
	$(BIN)/python -m seq2seq_lab report docs/reproductions/studies/*.tar.xz --reproduction docs/reproductions
	$(BIN)/python -m seq2seq_lab report docs/reproductions/studies/*.tar.xz docs/atlas_studies/*.tar.xz --atlas docs/atlas.yaml --out docs

# 25.1 is the first pip that knows dependency groups
.venv/bin/python:
	$(PYTHON) -m venv .venv
	$(PIP) --upgrade "pip>=25.1"

# torch comes first and by its exact pin: without it pip would take a build with several GB of CUDA
.venv/ready: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) "$$(grep '^torch==' constraints.txt)"
	$(PIP) --constraint constraints.txt --editable ".[fonts,spacy,sweep]"
	touch $@

.venv/ready-dev: .venv/ready
	$(PIP) --constraint constraints.txt --group dev
	touch $@

clean:
	rm -rf .venv build dist
