# cl-bench: `make run` and `make test` do everything on a fresh machine.
.DEFAULT_GOAL := help
SHELL := bash

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
ARGS ?= method=gem dataset=mnist_permutations
# PyTorch's own index of CPU builds; without it a Linux install pulls gigabytes of CUDA libraries.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
PROJECT := pyproject.toml constraints.txt

.PHONY: help install run test test-full test-cluster test-trackers lint format docs bench reproduce-fast \
  build clean
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s  %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo '  e.g. make run ARGS="method=single dataset=digits_permutations"'

install: $(VENV)/.run ## create .venv and install cl-bench in it

run: $(VENV)/.run ## install, then run cl-bench $(ARGS)
	@$(BIN)/cl-bench $(ARGS)

test: $(VENV)/.dev ## install what the tests need and run them
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not slow and not cluster and not trackers"

test-full: $(VENV)/.dev ## all tests, the multi-seed runs on real data included
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not cluster and not trackers"

# Ray's plugin wants an older cloudpickle than submitit: it gets an environment of its own
test-cluster: $(VENV)/.dev ## the tests that start a cluster of their own: Ray and, as root, Slurm
	test -e .cluster-venv/.ray || $(PYTHON) -m venv .cluster-venv
	test -e .cluster-venv/.ray || $(MAKE) --no-print-directory VENV=.cluster-venv .cluster-venv/.torch
	test -e .cluster-venv/.ray || .cluster-venv/bin/python -m pip --disable-pip-version-check --quiet install -e '.[ray]' pytest
	@touch .cluster-venv/.ray
	.cluster-venv/bin/python -m pytest -m cluster tests/sweep
	@if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null && ! command -v slurmctld > /dev/null; then \
	  tests/cluster/slurm.sh install; \
	fi
	$(BIN)/python -m pytest -m cluster tests/cluster

# MLflow brings some sixty packages: an environment of its own keeps them out of the way
test-trackers: ## the tests of MLflow and Weights & Biases
	test -e .trackers-venv/.all || $(PYTHON) -m venv .trackers-venv
	test -e .trackers-venv/.all || $(MAKE) --no-print-directory VENV=.trackers-venv .trackers-venv/.torch
	test -e .trackers-venv/.all || .trackers-venv/bin/python -m pip --disable-pip-version-check --quiet install -e '.[tensorboard,mlflow,wandb]' pytest
	@touch .trackers-venv/.all
	.trackers-venv/bin/python -m pytest -m trackers

lint: $(VENV)/.dev ## check style, formatting and types
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/python -m mypy

format: $(VENV)/.dev ## format the code
	$(BIN)/ruff check --fix --exit-zero . && $(BIN)/ruff format .

docs: $(VENV)/.dev ## write what docs/ says of the code anew: options, tables, pictures
	$(BIN)/python docs/generate.py && $(BIN)/python docs/pictures.py

BENCHMARKS := startup job inner_loop transforms step_time sweep
bench: $(VENV)/.dev ## measure speed against the machine's own matrix products (about 6 minutes)
	@for name in $(BENCHMARKS); do echo "== $$name"; $(BIN)/python bench/$$name.py || exit 1; done

reproduce-fast: $(VENV)/.run ## check that the fast recipes still give the committed numbers (under 10 minutes)
	@dir=$$(mktemp -d) && cd $$dir && "$(CURDIR)/$(BIN)/cl-bench" reproduce --check "$(CURDIR)/results" \
	  device=cpu device.threads=1; code=$$?; rm -rf $$dir; exit $$code

build: $(VENV)/.dev ## build a wheel, install it in a fresh venv, run it from another directory
	rm -rf dist .build-venv
	$(BIN)/python -m build --wheel --outdir dist . > /dev/null
	$(PYTHON) -m venv .build-venv
	@$(MAKE) --no-print-directory .torch-build
	.build-venv/bin/python -m pip --disable-pip-version-check --quiet install -c constraints.txt dist/*.whl
	dir=$$(mktemp -d) && cd $$dir && \
	  "$(CURDIR)/.build-venv/bin/cl-bench" dataset=digits_permutations dataset.tasks=2 && rm -rf $$dir
	rm -rf .build-venv
	@ls -l dist/*.whl

clean: ## remove the virtual environment and build leftovers (outputs/ stays)
	rm -rf $(VENV) .build-venv .cluster-venv .trackers-venv build dist .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Without a GPU: the CPU build, from the index above or from wherever pip already finds one; on a
# machine that reaches neither, the plain package. With a GPU: the plain package, which is the CUDA build.
define install_torch
	@if command -v nvidia-smi > /dev/null && nvidia-smi > /dev/null 2>&1; then \
	  $(1) install -c constraints.txt torch; \
	else \
	  $(1) install -c constraints.txt --no-deps --retries 0 --timeout 10 --index-url $(TORCH_INDEX) torch 2> /dev/null \
	    || $(1) install -c constraints.txt torch; \
	fi
endef

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.torch: constraints.txt | $(BIN)/python
	$(call install_torch,$(PIP))
	@touch $@

.PHONY: .torch-build
.torch-build:
	$(call install_torch,.build-venv/bin/python -m pip --disable-pip-version-check --quiet)

$(VENV)/.run: $(VENV)/.torch $(PROJECT)
	@$(PIP) install -c constraints.txt -e '.[plot,fast]'
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	@$(PIP) install -c constraints.txt -e '.[dev]'
	@touch $@
