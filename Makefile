# `make demo` and `make test` need Python 3.11 to 3.13, make and git; everything else they install into .venv/.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
# The newest Python found, unless PYTHON names one. (A pyenv shim may exist without its Python: so it is run.)
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
CHECKED := scripts tests benchmarks docs
SNAKEMAKE := $(BIN)/snakemake --cores all
# Images of containers often forbid Python to keep what it compiles: each of the tests' many hundred starts would again.
export PYTHONDONTWRITEBYTECODE :=
# Twice quiet: errors alone. Debian's pip says three times of an option what a later version will do with it.
PIP := $(BIN)/python -m pip --quiet --quiet --disable-pip-version-check
# Only what the locks name, so that an installation is the same in years. They are complete (a test), so pip resolves
# nothing: old ones (23.2) stop at `fsspec` as unpinned, with `fsspec[s3]` locked, once there is a newer fsspec. The two
# packages without wheels are built by the setuptools of requirements-build.txt: isolated builds fetch the newest one.
INSTALL := $(PIP) install --require-hashes --no-deps --no-build-isolation --only-binary :all: --no-binary atomicwrites,connection-pool
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links

CUDA := 12
ifeq (,$(filter 12 13,$(CUDA)))
$(error CUDA=$(CUDA): CuPy is locked for CUDA 12 and for 13: make install-gpu CUDA=12)
endif

.PHONY: help install install-dev install-gpu demo picture check lint test chaos matrix fuzz test-install trial lock
.DEFAULT_GOAL := help

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(BIN)/lightsheet  ## the environment, in .venv/
install-dev: install $(BIN)/.installed-dev  ## the same, and what tests and checks need
install-gpu: install $(BIN)/.installed-cuda$(CUDA)  ## the same, and CuPy for CUDA 12, of drivers from 525 (CUDA=13: from 580)

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "No Python 3.11, 3.12 or 3.13 found: install one, or name it: make PYTHON=/path/to/python3 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(BIN)/.installed: envs/requirements-build.txt envs/requirements.txt | $(BIN)/python
	@echo "installing what the workflow needs into $(VENV)/ (once, a minute or two)"
	@$(INSTALL) -r envs/requirements-build.txt
	@$(INSTALL) -r envs/requirements.txt
	@touch $@

$(BIN)/lightsheet: pyproject.toml $(BIN)/.installed
	@$(PIP) install --no-index --no-deps --no-build-isolation --editable .
	@echo "compiling engine cpu for this processor (once, some seconds)"
	@$(BIN)/python -c "from lightsheet.deconvolution import resolve_engine, try_engine; try_engine(resolve_engine('cpu'))"
	@touch $@

# CuPy for CUDA 12 and for 13 lie in the same folder: where both are, neither works.
$(BIN)/.installed-cuda%: envs/requirements-cuda%.txt $(BIN)/.installed
	@$(PIP) uninstall --yes -r envs/requirements-cuda12.in -r envs/requirements-cuda13.in
	@rm -f $(BIN)/.installed-cuda* $(BIN)/.installed-dev
	@echo "installing CuPy and the libraries of CUDA $* into $(VENV)/ (up to 0.45 GB to download, 0.9 on the disk)"
	@$(INSTALL) -r $<
	@touch $@

$(BIN)/.installed-dev: envs/requirements-dev.txt $(BIN)/.installed
	@echo "installing what tests and checks need"
	@$(INSTALL) -r $<
	@touch $@

data/demo/.simulated: | $(BIN)/lightsheet
	@echo "simulating an acquisition in data/demo"
	$(BIN)/lightsheet simulate data/demo
	@touch $@

demo: data/demo/.simulated  ## simulate a small acquisition and run the whole workflow on it
	$(SNAKEMAKE) --configfile config/demo.yaml
	@echo
	@echo "To type what is named above: source $(BIN)/activate"
	@echo "Your own data: lightsheet init FOLDER writes a first configuration, and README.md goes on from there."

picture: ## draw the README's picture anew, from the demo's results
	$(BIN)/python docs/draw_demo_picture.py

# BLAS of two cores waits for its second thread by turning: a fourth of these tests' CPU seconds.
check test: export OPENBLAS_NUM_THREADS := 1

check: lint  ## the fast part, all day long: format, lint, types, quick unit tests
	$(BIN)/python -m pytest -m "not slow and not workflow and not slurm" --hypothesis-profile=quick --numprocesses=2 --no-loadscope-reorder

.cache/lint/.simulated: | $(BIN)/lightsheet
	@$(BIN)/lightsheet simulate --shape 8 24 24 --psf-shape 31 20 20 --timepoints 1 .cache/lint >/dev/null
	@touch $@

lint: install-dev .cache/lint/.simulated  ## format, lint and types alone
	$(BIN)/ruff format --check $(CHECKED)
	$(BIN)/ruff check $(CHECKED)
	$(BIN)/snakefmt --check Snakefile
	$(BIN)/mypy scripts/lightsheet
	$(BIN)/lint-imports
	$(BIN)/snakemake --lint --configfile config/demo.yaml --config input='{folder: .cache/lint}'

test: install-dev  ## every test, with the library's coverage
	$(BIN)/python -m pytest --numprocesses=4 --no-loadscope-reorder --cov --cov-report=term --cov-fail-under=90

N ?= 20
JOBS ?= 2
chaos: install-dev  ## kill, fill and damage small runs in N=20 ways drawn at random (or CELL=name), and type the command again
	$(BIN)/python -m tests.support.chaos --number $(N) --jobs $(JOBS) $(if $(SEED),--seed $(SEED)) $(CELL)

matrix: install-dev  ## the shipped profile on a SLURM of this machine, with clusters of many shapes (or CASE=name), as root
	$(BIN)/python -m tests.support.matrix $(CASE)

fuzz: install-dev  ## property and fuzz tests, with a hundred times as many examples
	$(BIN)/python -m pytest -m hypothesis --hypothesis-profile=fuzz --numprocesses=auto

# In a fresh clone .venv/ is what users have, until install-dev adds to it; after that an environment is made for the test.
test-install:  ## what users have, no more: the demo, tiny, and its --report run on requirements.txt alone
	@$(MAKE) --no-print-directory trial $(if $(wildcard $(BIN)/.installed-dev),VENV=.cache/users)

TRIAL := .cache/trial
trial: install
	! $(BIN)/python -c 'import pytest' 2>/dev/null
	rm -rf $(TRIAL)
	$(BIN)/lightsheet simulate --shape 12 40 36 --psf-shape 31 20 20 --timepoints 1 $(TRIAL)/data/demo >/dev/null
	$(SNAKEMAKE) --directory $(TRIAL) --configfile config/demo.yaml --quiet all
	$(SNAKEMAKE) --directory $(TRIAL) --configfile config/demo.yaml --report report.zip
	test -s $(TRIAL)/report.zip

lock:  ## pin envs/*.in anew, with hashes
	$(LOCK) --output-file envs/requirements-dev.txt envs/requirements-dev.in
	for name in requirements requirements-build requirements-cuda12 requirements-cuda13; do \
		$(LOCK) --constraint envs/requirements-dev.txt --output-file envs/$$name.txt envs/$$name.in || exit; done
