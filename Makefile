# One-line way in: `make demo`. Everything lives in .venv; a second run is quick.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo test check install format bench clean
help:            ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

install: $(VENV)/.installed   ## make .venv and install penchant with what tests need

$(VENV)/.installed: pyproject.toml constraints.txt scripts/install.sh
	sh scripts/install.sh $(PYTHON) $(VENV)
	@touch $@

demo: install    ## the whole loop on a year of groceries; results under out/
	@# Large arrays go back to the system at once instead of fragmenting the heap: a quarter less memory.
	MALLOC_MMAP_THRESHOLD_=1048576 $(BIN)/penchant demo

test: install    ## all tests
	$(BIN)/python -m pytest -q

check: install   ## style, types, layers, spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

format: install  ## put the code into form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: install   ## the figures in README and docs/benchmarks.md
	$(BIN)/python benchmarks/spine.py

clean:           ## remove .venv and everything made
	rm -rf $(VENV) out build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
