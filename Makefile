# Every verb sets up what it needs first; a finished set-up is a no-op. `make` alone lists the verbs.

# The Python that .venv is made with: the first one that can (3.11 or 3.12 with venv and headers), or `make PYTHON=...`.
PYTHON ?= $(shell for name in .venv/bin/python python3.12 python3.11 python3; do \
	$$name tools/setup_env.py --suits >/dev/null 2>&1 && { echo $$name; exit; }; done; echo python3)
# The original OpenMMLab packages were measured on 3.11 alone.
OPENMMLAB_PYTHON ?= $(shell for name in .venv-openmmlab/bin/python python3.11 .venv/bin/python python3; do \
	$$name tools/setup_env.py --suits --family openmmlab >/dev/null 2>&1 && { echo $$name; exit; }; done; echo python3)
RUN := .venv/bin/python
# Waiting threads sleep: beside one other busy process, threads that spin made the demo's training ten times slower.
export OMP_WAIT_POLICY ?= passive

.DEFAULT_GOAL := help
.PHONY: help setup test slow gpu test-all test-openmmlab reliability docs notebook demo lint format doctor clean-env

help:  ## List the verbs
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{printf "%-22s %s\n", $$1, $$2}'

setup:  ## Set up .venv (10 to 15 minutes the first time, then nothing to do)
	@$(PYTHON) tools/setup_env.py

test: setup  ## Run the tests (minutes)
	$(RUN) -m pytest

slow: setup  ## Run the slow tests: trainings and sweeps
	$(RUN) -m pytest -m 'slow and not gpu'

gpu: setup  ## Run the tests that need a CUDA device
	$(RUN) -m pytest -m gpu

test-all: setup  ## Run the tests on Python 3.11 and 3.12, those that are here; ARGS='...' goes to pytest
	$(RUN) tools/every_python.py $(ARGS)

test-openmmlab:  ## Run the tests with the original OpenMMLab packages, in .venv-openmmlab; ARGS='...' goes to pytest
	@$(OPENMMLAB_PYTHON) tools/setup_env.py --family openmmlab
	.venv-openmmlab/bin/python -m pytest $(ARGS)

reliability: setup  ## Try to break it for an hour: kills, bad input, long runs; writes docs/reliability.md
	$(RUN) tests/reliability/measure.py

docs: setup  ## Build the documentation into build/docs/index.html; warnings are errors
	$(RUN) -m sphinx -W --keep-going -q -b html docs build/docs

notebook: setup  ## Execute the notebook of the documentation into build/tutorial.ipynb (ARGS=--save: into docs/)
	$(RUN) docs/notebook.py $(ARGS)

demo: setup  ## Train a small GE detector on made scenes and show what it finds
	$(RUN) tools/demo.py

lint: setup  ## Check style and spelling
	$(RUN) -m ruff check .
	$(RUN) -m codespell_lib

format: setup  ## Repair what ruff can repair by itself
	$(RUN) -m ruff check --fix .

doctor: setup  ## Say what in the environment would fail, and what to do about it
	$(RUN) -m se_backbones.doctor

clean-env:  ## Delete .venv and the other environments (the compiled mmcv stays in the user's cache)
	rm -rf .venv .venv-*
