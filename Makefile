# The workbook's only runner. `make` alone lists what there is.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help run test lab lock stubs format clean

help:  ## list these targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

run: $(VENV)/ready  ## set up, run every chapter with progress, and build the site in _site/
	@$(BIN)/workbook run --out _site

test: $(VENV)/ready  ## set up and pass every test, papermill runs of all chapters included
	@$(BIN)/workbook provision
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder --durations 40 --durations-min 8

lab: $(VENV)/ready  ## open the chapters in JupyterLab
	@$(BIN)/workbook lab

lock:  ## resolve pyproject.toml again into requirements.lock and deploy/ (the next target then sets up from it)
	@test -x $(BIN)/uv || $(MAKE) --no-print-directory $(VENV)/ready
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
		--all-extras --output-file requirements.lock pyproject.toml
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
		--constraint requirements.lock --extra model --output-file deploy/requirements.lock pyproject.toml

stubs: $(VENV)/ready  ## generate the gRPC stubs of services/contracts again
	@$(BIN)/python -m services.contracts.generate

format: $(VENV)/ready  ## format the code, and the notebooks' cells
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix-only --quiet .

clean:  ## remove the environment and everything that runs have written (provisioned servers stay in the user cache)
	@rm -rf $(VENV) .workbook _site .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

$(VENV)/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 …")'
	@echo "Setting up $(VENV) (once; about a minute)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
