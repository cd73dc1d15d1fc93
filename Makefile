# Everything happens in .venv; nothing is registered or installed outside of it. `make help` lists what there is.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CODE := rlm.py rlm_kernel tests benchmarks notebooks docs
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

.DEFAULT_GOAL := help
.PHONY: help demo test check lint types unit test-matrix bench bench-engine bench-looking clean browser images js js-check
.DELETE_ON_ERROR:

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.demo  ## from nothing: run the quickstart notebook on the bundled local model
	$(BIN)/python notebooks/run_demo.py notebooks/quickstart.ipynb

test: $(VENV)/.dev browser  ## from nothing: lint, types and all tests, with browser and local model
	$(MAKE) --no-print-directory check
	$(BIN)/python -m pytest

js: js/node_modules  ## build the live view's script and style from js/ (needs Node 20 and npm)
	cd js && npm run --silent build

js-check: js/node_modules  ## is the committed script what js/ builds? and its unit tests
	cd js && npm run --silent check && npm test --silent

js/node_modules: js/package-lock.json
	cd js && npm ci --silent --no-audit --no-fund
	@touch $@

check: lint types  ## lint and types alone

lint: $(VENV)/.dev
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)

types: $(VENV)/.dev
	$(BIN)/mypy

unit: $(VENV)/.dev  ## the tests that need neither browser nor local model
	$(BIN)/python -m pytest -m "not browser and not local_model"

test-matrix: ## kernel, namespace, magics and control plane with older releases of ipykernel
	PYTHON=$(PYTHON) .ci/matrix 6.31.0 7.3.0

bench: $(VENV)/.bench  ## is the local model right? real questions, one after the other
	$(BIN)/python benchmarks/local_model.py --half dev --out demo/bench-dev.json

bench-engine: $(VENV)/.bench  ## how fast is the engine? beside the reference implementation, in .reference
	$(BIN)/python benchmarks/engine.py

bench-looking: $(VENV)/.dev browser  ## what does the live view cost? ten thousand rows in a real JupyterLab
	$(BIN)/python benchmarks/looking.py

images: $(VENV)/.dev browser  ## the picture of the README, anew: a real JupyterLab on the bundled local model
	$(BIN)/python docs/images/make.py

clean:  ## remove .venv and whatever was built or cached
	rm -rf $(VENV) .matrix .reference build dist demo .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

browser:
	@.ci/browser

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; make PYTHON=/path/to/it")'
	$(PYTHON) -m venv $(VENV)
	$@ -m pip install --quiet --upgrade "pip>=25.1"

# One environment serves all targets; the stamps make a second call quick.
$(VENV)/.%: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable ".[local]" --group $*
	@touch $@
