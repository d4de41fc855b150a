# Every target sets up what it needs first; a finished set-up is a no-op. `make` alone lists the targets.

VENV ?= .venv
# Which OpenMMLab packages: onedl, the maintained forks, or openmmlab, the originals.
FAMILY ?= onedl
# 1 compiles mmcv's operators, 0 runs them on torchvision's; an environment keeps what it has.
COMPILE_MMCV ?= $(shell grep -qs 'compiled=1' $(VENV)/set-up && echo 1 || echo 0)
# The Python that the environment is made with: the first one that can, or `make PYTHON=...`.
PYTHON ?= $(shell for name in $(VENV)/bin/python python3.12 python3.11 python3.13 python3; do \
	$$name tools/misc/check_setup.py --venv $(VENV) --family $(FAMILY) >/dev/null 2>&1 && { echo $$name; exit; }; \
	done; echo python3)
RUN := $(VENV)/bin/python
# Waiting threads sleep: beside one other busy process, threads that spin made the demo's training ten times slower.
export OMP_WAIT_POLICY ?= passive
# Without byte code every process would compile torch and the hosts anew: 12 s for timm alone.
unexport PYTHONDONTWRITEBYTECODE
# Another set-up on this machine may be compiling mmcv, for which uv keeps a lock.
export UV_LOCK_TIMEOUT ?= 3600

.DEFAULT_GOAL := help
.PHONY: help setup test slow gpu test-all test-openmmlab reliability mutants docs notebook demo lint format doctor clean-env

help:  ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{printf "%-22s %s\n", $$1, $$2}'

# Done if the environment was made from these files. uv's cache knows neither torch nor whether mmcv is compiled: the
# setting `ops` gives each build of it a key of its own.
UV = $(VENV)/bin/uv pip install --python $(RUN) --constraint requirements/constraints-$(FAMILY).txt \
	--override requirements/overrides.txt --config-settings-package onedl-mmcv:ops=$(1)
MADE_FROM = $$(cat requirements/*.txt setup.py pyproject.toml se_backbones/version.py | cksum) \
	$(FAMILY) compiled=$(COMPILE_MMCV)
define MAKE_ENVIRONMENT
set -e; \
mkdir -p $(VENV); exec 9>>$(VENV)/set-up.lock; flock -n 9 || { echo 'Another set-up works on $(VENV): waiting for it'; flock 9; }; \
[ "$$(cat $(VENV)/set-up 2>/dev/null)" != "$(MADE_FROM)" ] || exit 0; \
echo 'Setting up $(VENV): 3 GB to fetch unless they are in a cache, then about a minute'; \
$(RUN) -c '' 2>/dev/null || { rm -f $(VENV)/bin/python*; $(PYTHON) -m venv $(VENV); }; \
$(RUN) -m pip install --quiet --disable-pip-version-check uv==0.13.9; \
index=$$($(RUN) -m pip config get global.index-url 2>/dev/null || true); \
[ -z "$$index" ] || export UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX:-$$index}"; \
$(call UV,none) --requirement requirements/$(FAMILY).txt --requirement requirements/common.txt --editable . \
$$([ $(COMPILE_MMCV) = 1 ] || ! ls $(VENV)/lib/python3*/site-packages/mmcv/_ext.*.so >/dev/null 2>&1 || echo --reinstall-package onedl-mmcv); \
if [ $(COMPILE_MMCV) = 1 ]; then \
echo "Compiling mmcv's operators: about nine minutes on two cores"; \
$(call UV,none) --requirement requirements/compile.txt; \
$(call UV,$$($(RUN) -c 'import torch; print(torch.__version__)')) --no-build-isolation-package onedl-mmcv \
--reinstall-package onedl-mmcv --no-deps $$(grep ^onedl-mmcv requirements/onedl.txt); fi; \
$(RUN) -m se_backbones mmcv install --expect $(if $(filter 1,$(COMPILE_MMCV)),compiled,torchvision); \
echo "$(MADE_FROM)" > $(VENV)/set-up
endef

setup:  ## Set up .venv in about a minute; nothing is compiled, unless COMPILE_MMCV=1 asks for it
	@$(PYTHON) tools/misc/check_setup.py --venv $(VENV) --family $(FAMILY)
	@$(MAKE_ENVIRONMENT)

test: setup  ## Run the tests (minutes); ARGS='...' goes to pytest
	$(RUN) -m pytest $(ARGS)

slow: setup  ## Run the slow tests: trainings and sweeps
	$(RUN) -m pytest -m 'slow and not gpu'

gpu: setup  ## Run the tests that need a CUDA device
	$(RUN) -m pytest -m gpu

test-all:  ## Run the tests on every supported Python that is here; ARGS='...' goes to pytest
	@for version in 3.11 3.12 3.13; do \
	python=$$(for name in python$$version ~/.pyenv/versions/$$version.*/bin/python ~/.local/share/uv/python/*-$$version.*/bin/python; \
	do $$name -c '' 2>/dev/null && { echo $$name; break; }; done); \
	if [ -z "$$python" ]; then results="$$results\nPython $$version: not here"; \
	elif $(MAKE) test PYTHON=$$python VENV=.venv-py$$version; then results="$$results\nPython $$version: passed"; \
	else results="$$results\nPython $$version: failed"; failed=1; fi; done; \
	printf "$$results\n"; [ -z "$$failed" ]

test-openmmlab:  ## Run the tests with the original OpenMMLab packages, in .venv-openmmlab; ARGS='...' goes to pytest
	@$(MAKE) test FAMILY=openmmlab VENV=.venv-openmmlab

reliability: setup  ## Try to break it for an hour: kills, bad input, long runs; writes docs/reliability.md
	$(RUN) tests/reliability/measure.py

mutants: setup  ## Plant 300 faults in the plugin and list those that no test notices (hours); ARGS='--count 40 --seed 1'
	$(call UV,none) --quiet --requirement requirements/mutants.txt
	$(RUN) tests/mutants/run.py $(ARGS)

docs: setup  ## Build the documentation into build/docs/index.html; warnings are errors
	$(RUN) -m sphinx -W --keep-going -q -b html docs build/docs

notebook: setup  ## Execute the notebook of the documentation into build/tutorial.ipynb (ARGS=--save: into docs/)
	$(RUN) docs/notebook.py $(ARGS)

demo: setup  ## Train a small GE detector on made scenes and show what it finds
	$(RUN) -m se_backbones demo

lint: setup  ## Check style, spelling and which package imports which
	$(RUN) -m ruff check .
	$(RUN) -m codespell_lib
	$(VENV)/bin/lint-imports --no-logo

format: setup  ## Repair what ruff can repair by itself
	$(RUN) -m ruff check --fix .

doctor: setup  ## Say what in the environment would fail, and what to do about it
	$(RUN) -m se_backbones doctor

clean-env:  ## Delete .venv and the other environments
	rm -rf .venv .venv-*
