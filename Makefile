# One-line way in: `make demo`. Everything lives in .venv; a second run is quick.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo test check install install-all format bench clean
help:            ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

install: $(VENV)/.installed   ## make .venv and install penchant with what the demo needs

install-all: $(VENV)/.all     ## the same with every extra, torch included, as the tests need it

$(VENV)/.installed: pyproject.toml constraints.txt scripts/install.sh
	sh scripts/install.sh $(PYTHON) $(VENV) postgres
	@touch $@

$(VENV)/.all: pyproject.toml constraints.txt scripts/install.sh
	sh scripts/install.sh $(PYTHON) $(VENV) all,dev
	@touch $@ $(VENV)/.installed

demo: install    ## the whole loop on a year of groceries; results under out/
	@# Large arrays go back to the system at once instead of fragmenting the heap: a quarter less memory.
	MALLOC_MMAP_THRESHOLD_=1048576 $(BIN)/penchant demo

test: install-all    ## all tests
	$(BIN)/python -m pytest -q

check: install-all   ## style, types, layers, spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

format: install-all  ## put the code into form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: install-all   ## the figures in README and docs/benchmarks.md
	$(BIN)/python benchmarks/spine.py

clean:           ## remove .venv and everything made
	rm -rf $(VENV) out build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
