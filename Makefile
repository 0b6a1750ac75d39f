# Everything a fresh Debian or Ubuntu machine with Python, git and make needs is done here.
.DEFAULT_GOAL := help
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
PARTS := console agents engines profiles

help:  ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## */  make \1\t/' | expand -t 24

ifdef NVML
demo: $(VENV)/.dev  ## a whole cluster on this machine: real ssh, simulated GPUs; NVML=fake reads them through NVML
	$(BIN)/gpuyard demo --nvml $(NVML) $(ARGS)
else
demo: $(VENV)/.console
	$(BIN)/gpuyard demo $(ARGS)
endif

test: $(VENV)/.dev  ## the default suite, under five minutes on two cores
	$(BIN)/pytest -n 3 --dist worksteal -q $(ARGS)  # three on two cores: most tests wait for processes

test-slow: $(VENV)/.dev  ## whole journeys over OpenSSH's sshd: hosts, sealed logins, several agents, undo, shares
	$(BIN)/pytest tests/e2e -m slow -n 3 --dist worksteal -q $(ARGS)

test-engines: $(VENV)/.dev  ## real llama.cpp and vLLM on the CPU, over OpenSSH's sshd (wheels are cached)
	$(BIN)/pytest tests/real_engines -m engines -q --timeout 1800 $(ARGS)

test-peers: $(VENV)/.dev  ## nvitop, gpustat and nvtop show the same figures on the fake driver (they are cached)
	$(BIN)/pytest tests/peers -m peers -q --timeout 600 $(ARGS)

test-faults: $(VENV)/.dev  ## what goes wrong, played for real; KILLS=1000 SHIM_KILLS=200 REPEATS=3 SEED=1 make it longer
	KILLS=$(KILLS) SHIM_KILLS=$(SHIM_KILLS) REPEATS=$(REPEATS) SEED=$(SEED) \
		$(BIN)/pytest tests/faults -m faults -n 2 --dist worksteal -q --timeout 300 $(ARGS)

check: $(VENV)/.dev  ## formatting, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev  ## format and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev  ## the figures of docs/benchmarks.md; prints, asserts nothing
	$(BIN)/python -m benchmarks $(ARGS)

screens: $(VENV)/.dev  ## draw docs/screens/*.svg anew
	UPDATE_SCREENS=1 $(BIN)/pytest -q tests/console/test_screens.py

lock: $(VENV)/.dev  ## pin requirements/*.txt by hash
	sh requirements/lock.sh $(BIN)

clean:  ## remove the environment and what the tools keep
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist

$(VENV)/.console: requirements/console.txt pyproject.toml requirements/setup.sh
	sh requirements/setup.sh console

$(VENV)/.dev: requirements/dev.txt requirements/console.txt pyproject.toml requirements/setup.sh
	sh requirements/setup.sh dev

.PHONY: help demo test test-slow test-engines test-peers test-faults check format bench screens lock clean
