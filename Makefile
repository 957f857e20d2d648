# Every target sets up what it needs: Python 3.11 or later, make and pip are enough.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
RUN := $(VENV)/bin/python
WORKERS ?= 2

.PHONY: help demo test test-gpu conformance bench-train bench-export lint format package clean

help:
	@echo "make demo         train on smart-watch data, export, compare the runtimes"
	@echo "make test         the test suite"
	@echo "make test-gpu     the conformance matrix with cuDNN, on a machine with an NVIDIA GPU"
	@echo "make conformance  every cell x engine x mask x state x direction x dtype"
	@echo "make bench-train  time of model.fit beside keras.layers and torch.nn, as a report; 20 minutes"
	@echo "make bench-export time and size of exported layers beside their peers, as a report; 5 minutes"
	@echo "make lint         ruff; make format mends what it can"
	@echo "make package      build a wheel, install it into an empty environment, import it"
	@echo "make clean        remove what the other targets made"

demo: $(VENV)/ready-examples
	$(RUN) examples/watch.py

test: $(VENV)/ready-dev
	TF_NUM_INTRAOP_THREADS=1 $(RUN) -m pytest -n $(WORKERS) --dist worksteal

# One process: each would take the GPU's memory for itself.
test-gpu: $(VENV)/ready-dev $(VENV)/ready-gpu
	TF_FORCE_GPU_ALLOW_GROWTH=true $(RUN) -m pytest --gpu --full tests/conformance tests/engines

conformance: $(VENV)/ready-dev
	TF_NUM_INTRAOP_THREADS=1 $(RUN) -m pytest -n $(WORKERS) --full tests/conformance

# ARGS="--quick" for a look of a minute or so; --help lists the rest.
bench-train: $(VENV)/ready-bench
	$(RUN) benchmarks/training.py $(ARGS)

bench-export: $(VENV)/ready-bench
	$(RUN) benchmarks/export.py $(ARGS)

lint: $(VENV)/ready-dev
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

format: $(VENV)/ready-dev
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

package: $(VENV)/ready-dev
	$(RUN) tests/packaging/check_wheel.py

clean:
	rm -rf $(VENV) build dist outputs *.egg-info .pytest_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or later is needed, this is ' + sys.version)"
	$(PYTHON) -m venv $(VENV)

$(VENV)/ready-%: pyproject.toml setup.cfg | $(VENV)/bin/python
	$(RUN) -m pip install --quiet --disable-pip-version-check --editable ".[$*]"
	@touch $@
