# Every target sets itself up first (.venv, renderer), and is safe to repeat.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help set-up set-up-cuda set-up-torch set-up-clients set-up-tpu pretrained quickstart preflight test lint format lock clean

PYTHON_IN_VENV := .venv/bin/python
LOCKS := $(wildcard requirements/py*.lock)
# Commands that may render get the renderer that works on this machine, found by rendering with it.
WITH_RENDERER = renderer=$$($(PYTHON_IN_VENV) tools/find_renderer.py) && export MUJOCO_GL=$$renderer PYOPENGL_PLATFORM=$$renderer &&

help:  ## say what the targets do
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "%-14s %s\n", $$1, $$2}'

.venv/installed: $(LOCKS) setup.py tools/set_up.sh tools/find_python.sh
	@tools/set_up.sh

set-up: .venv/installed  ## make .venv from the pinned versions

# Drivers before 580 need CUDA=12.
CUDA := 13
.venv/cuda$(CUDA)-installed: .venv/installed $(wildcard requirements/cuda*.lock)
	python=$$($(PYTHON_IN_VENV) -c 'import sys; print("{}{}".format(*sys.version_info))') && .venv/bin/python -m pip \
		install -qq --disable-pip-version-check --no-deps --requirement requirements/cuda$(CUDA)-py$$python.lock
	@touch $@

set-up-cuda: .venv/cuda$(CUDA)-installed  ## add what JAX needs for NVIDIA's GPUs (4 GB); CUDA=12 for drivers before 580

# PyTorch's CPU build isn't on PyPI: where pip doesn't find it, name PyTorch's own index in PIP_EXTRA_INDEX_URL.
.venv/torch-installed: .venv/installed requirements/torch.lock
	.venv/bin/python -m pip install -qq --disable-pip-version-check --no-deps --requirement requirements/torch.lock
	@touch $@

set-up-torch: .venv/torch-installed  ## add PyTorch to .venv, for the tests that compare with the original

# openpi's client needs a NumPy before 2: an environment of its own, for the clients alone.
.venv-clients/installed: .venv/installed requirements/clients.lock
	.venv/bin/python -m venv --clear .venv-clients
	.venv-clients/bin/python -m pip install -qq --disable-pip-version-check --no-deps --requirement requirements/clients.lock
	@touch $@

set-up-clients: .venv-clients/installed  ## make .venv-clients, for the tests in which others' clients talk to our server

# Beside the other packages and not among them: where JAX finds it installed, it looks for TPUs.
.venv/tpu/installed: .venv/installed requirements/tpu.lock
	.venv/bin/python -m pip install -qq --disable-pip-version-check --no-deps --upgrade --target .venv/tpu --requirement requirements/tpu.lock
	@touch $@

set-up-tpu: .venv/tpu/installed  ## add the compiler for TPUs (0.7 GB), for launch.compile_ahead

# `make pretrained SUITE=libero_10` films another suite, into a folder of its own.
pretrained: .venv/installed  ## watch the shipped checkpoint solve a LIBERO task (a minute on 2 cores)
	@$(WITH_RENDERER) $(PYTHON_IN_VENV) -m launch.evaluate --config configs/libero_eval.py:pretrained \
		$(if $(SUITE),--config.suite=$(SUITE) --config.output=evaluation_$(SUITE))

quickstart: pretrained  ## the same, then demonstrations, four trainings and evaluation of one task (20 minutes on 2 cores)
	@$(WITH_RENDERER) $(PYTHON_IN_VENV) -m launch.pipeline --config configs/quickstart.py

preflight: .venv/installed  ## check every stage with tiny networks (half a minute)
	@$(PYTHON_IN_VENV) -m launch.preflight

test: .venv/installed  ## run the tests
	@$(WITH_RENDERER) $(PYTHON_IN_VENV) -m pytest -n 3 --dist loadfile --no-loadscope-reorder --durations=20

lint: .venv/installed  ## run the linters
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

format: .venv/installed  ## format the source
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

lock:  ## resolve setup.py's ranges into requirements/*.lock (needs uv)
	tools/lock.sh

clean:  ## remove the virtual environment and caches; runs/ stays
	rm -rf .venv .venv-clients .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
