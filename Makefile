# Every target sets up what it needs in .venv; a stamp per extra keeps the second run quick.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
SAELENS := .cache/saelens

.DEFAULT_GOAL := help
.PHONY: help demo serve test check format proto bench clean

help: ## Show the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.train: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[train]'
	@touch $@

$(VENV)/.dev: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@ $(VENV)/.train

# SAELens beside .venv, which it reads: its dozens of packages would follow us everywhere else.
$(SAELENS)/.ready: $(VENV)/.dev tests/equivalence/saelens_environment.py
	$(BIN)/python -m tests.equivalence.saelens_environment $(SAELENS)
	@touch $@

demo: $(VENV)/.train ## Train on ml-100k, serve, steer one user, show what changed
	$(BIN)/steerrec demo

serve: $(VENV)/.train ## The demo's service, kept up
	$(BIN)/steerrec demo --keep

test: $(VENV)/.dev $(SAELENS)/.ready ## Every check and every test
	$(MAKE) --no-print-directory check
	$(BIN)/python -m pytest

check: $(VENV)/.dev ## Lint (Python and Dockerfile) and strict types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/hadolint Dockerfile

format: $(VENV)/.dev ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

proto: $(VENV)/.dev ## Generate the stubs from the .proto files
	$(BIN)/python -m tests.contract.stubs proto

bench: $(VENV)/.dev ## Print the side-by-side table
	$(BIN)/python -m bench.serving

clean: ## Remove what the targets made
	rm -rf $(VENV) .cache var
