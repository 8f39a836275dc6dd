# Every target sets up what it needs in .venv of this folder; nothing is installed elsewhere.
SHELL := /bin/bash
BIN := .venv/bin
STAMP := .venv/.installed
export MPLBACKEND ?= Agg

# Tests in processes that keep a file together, in the order of tests/conftest.py; each may compile.
TESTS := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help .venv run test test-all coverage lint replicate predictions bench docs notebooks cuda-build clean

help:
	@echo "make run         set up, train the last layer on photographs and a layer behind it on a ring, with reports"
	@echo "make test        set up, run the tests that take a few minutes"
	@echo "make test-all    all tests, the slow ones and the CUDA ones too"
	@echo "make coverage    the tests of make test, and which lines they do not reach"
	@echo "make lint        ruff: rules and formatting; mypy: no module has more errors than before"
	@echo "make replicate   every run file of runs/; its verdicts go to runs/results/"
	@echo "make predictions every prediction of runs/predictions/; verdicts go to runs/results/predictions/"
	@echo "make bench       speed and accuracy against plain Brian2, NEST and NEURON, alone on"
	@echo "                 the machine; writes runs/results/bench/"
	@echo "make docs        the documentation: docs/_build/html/index.html"
	@echo "make notebooks   run the notebooks of runs/notebooks/ and keep what they show"
	@echo "make cuda-build  install brian2cuda and cuRAND, generate and compile the CUDA project (no GPU needed)"
	@echo "make clean       remove .venv, caches and build folders (results stay)"

.venv: $(STAMP)

# The first Python 3.12 there is: on the path, or of pyenv. A failed set-up leaves no stamp.
$(STAMP): pyproject.toml constraints.txt
	@set -e; py=; \
	for try in $(PYTHON) python3.12 python3 $$HOME/.pyenv/versions/3.12*/bin/python; do \
	  if "$$try" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 12))' 2>/dev/null; then \
	    py=$$try; break; fi; \
	done; \
	if [ -z "$$py" ]; then \
	  echo "no Python 3.12 found: install it (apt install python3.12 python3.12-venv, or pyenv install 3.12), or say make PYTHON=/path/to/python3.12" >&2; \
	  exit 1; fi; \
	echo "set-up: .venv with $$("$$py" --version), a few minutes the first time"; \
	"$$py" -m venv .venv || { \
	  echo "python -m venv failed: apt install python3.12-venv" >&2; exit 1; }; \
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'; \
	touch $@

run: $(STAMP)
	$(BIN)/pulvinar run predictive_learning --seeds 11-12 --conditions "learning,plasticity off"
	$(BIN)/pulvinar run cortex_learns --seeds 51-52 --conditions "learn,frozen" --set blocks.training_late.cycles=450

test: $(STAMP)
	$(TESTS) -m "not slow and not cuda"

test-all: $(STAMP) .venv/.cuda
	$(TESTS)

coverage: $(STAMP)
	$(TESTS) -m "not slow and not cuda" --cov --cov-report=term-missing

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python .ci/ratchet.py

FRAMEWORKS := digits_depth explicit_error four_layers gradient_alignment generec_family
replicate: $(STAMP)
	@set -e; for file in runs/*.toml; do \
	  name=$$(basename $$file .toml); echo "== $$name"; \
	  $(BIN)/pulvinar run "$$file" --out runs/out/$$name --replace; \
	  mkdir -p runs/results/$$name; cp runs/out/$$name/verdicts.json runs/results/$$name/; \
	  rm -f runs/results/$$name/note.md; \
	done
	@for name in $(FRAMEWORKS); do \
	  $(BIN)/python -m analysis.verdicts.frameworks runs/out/$$name runs/results; done
	@$(BIN)/python -m analysis.verdicts.frameworks runs/results
	@$(BIN)/python -m analysis.verdicts.results runs/results > runs/results/README.md

predictions: $(STAMP)
	$(BIN)/pulvinar predict all
	$(BIN)/pulvinar predict --page runs/results/predictions

# Each simulator has an environment of its own; one that cannot be installed leaves its rows out.
bench: $(STAMP)
	$(BIN)/python -m tests.bench.alone
	$(BIN)/python -m tests.bench

# Without network; a warning fails.
docs: $(STAMP)
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs docs/_build/html
	@echo docs/_build/html/index.html

notebooks: $(STAMP)
	PYTHONPATH=. $(BIN)/python docs/notebooks.py

.venv/.cuda: $(STAMP)
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev,cuda]'
	@touch $@

cuda-build: .venv/.cuda
	$(BIN)/pulvinar run predictive_learning --size tiny --conditions learning --device cuda --build-only --out runs/out/cuda_build --replace
	@mkdir -p runs/results/cuda_build
	@$(BIN)/python -c 'import json; b = json.load(open("runs/out/cuda_build/run.json"))["built"][0]; del b["program"]; json.dump(b, open("runs/results/cuda_build/build.json", "w"), indent=2)'

clean:
	rm -rf .venv build dist docs/_build docs/generated docs/reference docs/notebooks .pytest_cache .ruff_cache .mypy_cache .hypothesis .coverage* *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
