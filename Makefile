# Every target does all the set-up that it needs, and can be repeated. `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
BIN := .venv/bin
ARGS ?=
# If it is set, each of the many programs that tests start compiles all modules again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup daemons demo test lint format dist dist-oci bench recipes faults lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what is missing: Debian packages, and .venv with the locked Python packages and the command souche
	@tools/host-setup
	@tools/python-setup

daemons: setup
	@tools/start-daemons

demo: daemons ## Official OMI, VM, OMI from the running VM, VM from that OMI; leaves a region to go on with in .demo/
	@$(BIN)/python -m tools.demo

test: daemons ## Run every test, linters included (ARGS="-k images" to choose; ARGS="-m 'not guest'" without real guests)
	@$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder $(ARGS)

lint: setup ## Run the linters: ruff, mypy, import-linter, shellcheck
	@$(BIN)/python -m pytest tests/test_repository.py $(ARGS)

format: setup ## Format the Python files
	@$(BIN)/ruff check --fix --select I --quiet
	@$(BIN)/ruff format

bench: daemons ## Measure image creation and launch against a full copy, many launches against one, exports against doing it by hand, reads, pauses, and reports
	@$(BIN)/python -m tools.bench $(ARGS)
	@$(BIN)/python -m tools.bench_launch
	@$(BIN)/python -m tools.bench_export $(ARGS)
	@$(BIN)/python -m tools.bench_reads
	@$(BIN)/python -m tools.bench_pages
	@$(BIN)/python -m tools.bench_writes
	@$(BIN)/python -m tools.bench_pause
	@$(BIN)/python -m tools.bench_report

recipes: daemons ## Build the images of debian-12 and debian-13, and look into them (make test does the former)
	@SOUCHE_TEST_RECIPES=debian-12,debian-13 $(BIN)/python -m pytest tests/recipes $(ARGS)

faults: daemons ## Kill a region again and again, and see whether anything is lost (ARGS="--seed N --number N --real")
	@$(BIN)/python -m tools.faults $(ARGS)

dist: setup ## Build the wheel, the source archive and the packages for Debian 12 and 13, in dist/
	@$(BIN)/python -m hatchling build -d dist
	@$(BIN)/python -m tools.make_deb bookworm trixie

dist-oci: setup ## Build an OCI image for --compute simulated, in dist/ (as root)
	@$(BIN)/python -m tools.make_deb bookworm
	@$(BIN)/python -m tools.make_oci dist/souche_*+deb12_amd64.deb

lock: setup ## Resolve requirements/*.txt again from pyproject.toml, for every supported Python (ARGS=--upgrade)
	@tools/lock $(ARGS)

clean: ## Remove .venv and the caches (not .demo/)
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .cache build dist
