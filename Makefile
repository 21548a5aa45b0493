# `make` lists what there is. Everything runs from .venv, which `make env` builds from requirements.lock.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

export PATH := $(CURDIR)/.venv/bin:$(PATH)
ENV := .venv/.complete
# Rooms that stand already: the house is built one by one.
PACKAGES := $(sort $(patsubst %/,%,$(dir $(wildcard $(addsuffix /__init__.py,meshkit svc_* cli db evals bench tools)))))
PYTHON_CODE := $(PACKAGES) $(wildcard bench envoy tests)
UNIT_TESTS := $(wildcard tests/unit)
WIRE_TESTS := $(wildcard tests/contract tests/models tests/mesh tests/quality tests/abuse tests/faults)
PYTEST_ARGS ?=

-include local.mk

.PHONY: help
help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(ENV): requirements.lock pyproject.toml tools/environment.sh
	@tools/environment.sh

.PHONY: env
env: $(ENV)  ## Build .venv from requirements.lock, if either changed

.PHONY: gen
gen: $(ENV)  ## Write gen/ from proto/: stubs, types, descriptor set, OpenAPI
	@python -m tools.generate gen

.PHONY: schema
schema: $(ENV)  ## Write db/schema.sql: what all migrations add up to
	@python -m tools.schema_snapshot

.PHONY: vendor
vendor: $(ENV)  ## Write third_party/ from the locked wheels
	@python -m tools.vendor third_party

.PHONY: format
format: $(ENV)  ## Format the code and sort its imports
	@ruff check --quiet --select I --fix $(PYTHON_CODE)
	@ruff format $(PYTHON_CODE)

.PHONY: check
check: check-style check-types check-contracts check-house check-unit  ## Style, types, contracts, house rules, unit tests (under a minute)

.PHONY: check-style check-types check-contracts check-house check-unit
check-style: $(ENV)
	@echo "== style"
	@ruff format --check $(PYTHON_CODE)
	@ruff check $(PYTHON_CODE)

check-types: $(ENV)
	@echo "== types"
	@mypy $(PACKAGES)

check-contracts: $(ENV)
	@echo "== contracts"
	@buf lint
	@python -m tools.breaking

check-house: $(ENV)
	@echo "== house rules"
	@python -m tools.house_rules
	@lint-imports --no-logo

check-unit: $(ENV)
	@echo "== unit tests"
	@if [ -n "$(UNIT_TESTS)" ]; then pytest -q -n 2 $(PYTEST_ARGS) $(UNIT_TESTS); else echo "SKIPPED: there are no unit tests"; fi

.PHONY: test
test: check  ## Everything CI runs: check, then the tests through the wire
	@echo "== tests through the wire"
	@if [ -n "$(WIRE_TESTS)" ]; then pytest $(PYTEST_ARGS) $(WIRE_TESTS); else echo "SKIPPED: there are no tests through the wire"; fi
