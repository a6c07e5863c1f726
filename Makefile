# What people type. `make help` lists it.
# Everything is installed into .venv from lock files with hashes; the stamps in .venv/.stamps tell what is up to date.

VENV   := .venv
BIN    := $(VENV)/bin
STAMPS := $(VENV)/.stamps
CONFIG ?=
ARGS   ?=

# The first Python that is new enough and can make a virtual environment; `make PYTHON=/path/to/python` names one.
PYTHONS := $(or $(PYTHON),python3.13 python3.12 python3.11 python3)

# PIP_USER: a setting for the person must not lead an install out of .venv. -qq: errors only.
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_USER=0 $(BIN)/python -m pip
# Only what the lock names, only as it was locked; then the project itself, built by the hatchling of the lock.
PIP_LOCKED  := $(PIP) install -qq --require-hashes --no-deps -r
PIP_PROJECT := $(PIP) install -qq --no-deps --no-build-isolation --editable .

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run install test test-all check check-ruff check-format check-mypy check-imports bench deb lock format clean

help:  ## list the targets
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)$$/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

run: $(STAMPS)/run  ## start a demo of three simulated schools; with CONFIG=my.yml: watch your own schools
	@exec $(BIN)/portwatchd $(if $(CONFIG),run --config.file='$(CONFIG)',demo) $(ARGS)

install: $(STAMPS)/run  ## .venv/bin/portwatchd, nothing else
	@echo '$(BIN)/portwatchd is installed'

test: $(STAMPS)/dev  ## the tests that need neither root nor Debian's daemons
	@$(BIN)/pytest tests -m 'not lab' --ignore=tests/lab --ignore=tests/bench $(ARGS)

test-all: $(STAMPS)/dev  ## as root on Debian: installs the daemons that the lab needs, runs every check and test
	@tests/lab/install-packages.sh
	@$(MAKE) check
	@$(BIN)/pytest tests --no-skips --ignore=tests/bench $(ARGS)

check: $(STAMPS)/dev  ## ruff, mypy --strict and the contracts on the layers
	@$(MAKE) --jobs=4 --output-sync=target --keep-going check-ruff check-format check-mypy check-imports

check-ruff:
	@$(BIN)/ruff check --quiet . && echo 'ruff check: clean'

check-format:
	@$(BIN)/ruff format --check --quiet . && echo 'ruff format: clean' || \
		{ echo 'ruff format: these are not formatted (make format)'; $(BIN)/ruff format --check . | grep '^Would'; exit 1; }

check-mypy:
	@$(BIN)/mypy --no-error-summary && echo 'mypy: clean'

check-imports:
	@out=$$($(BIN)/lint-imports --no-logo --cache-dir .import_linter_cache 2>&1) && echo 'layers: kept' || \
		{ echo "$$out"; exit 1; }

bench: $(STAMPS)/dev  ## measure
	@$(BIN)/pytest tests/bench -s --timeout=3600 -o python_files='bench_*.py test_*.py' $(ARGS)

deb: $(STAMPS)/deb  ## dist/portwatchd_VERSION_ARCH.deb, on Debian 12
	@deploy/deb/build.sh $(VENV)

format: $(STAMPS)/dev  ## format the code and repair what ruff can repair
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

UV_COMPILE = $(VENV)/lock/bin/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --upgrade \
	--generate-hashes --no-annotate --no-header --no-emit-index-url --no-emit-find-links
lock: $(STAMPS)/venv  ## renew both lock files
	@test -x $(VENV)/lock/bin/uv || { $(BIN)/python -m venv $(VENV)/lock && \
		PIP_USER=0 $(VENV)/lock/bin/python -m pip install -qq --disable-pip-version-check uv; }
	@$(UV_COMPILE) --group build -o $(VENV)/run.lock
	@$(UV_COMPILE) --group build --group dev -c $(VENV)/run.lock -o $(VENV)/dev.lock
	@{ echo '# What runs and builds portwatchd. Written by `make lock` for Python 3.11 and newer; do not edit.'; \
		cat $(VENV)/run.lock; } > requirements.lock
	@{ echo '# requirements.lock and what checks and tests. Written by `make lock`; do not edit.'; \
		cat $(VENV)/dev.lock; } > dev-requirements.lock
	@git --no-pager diff --stat -- requirements.lock dev-requirements.lock

clean:  ## remove .venv, caches and builds
	@rm -rf $(VENV) build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The editable install needs doing again only where pyproject.toml names another command or version.
$(STAMPS)/run: $(STAMPS)/venv requirements.lock pyproject.toml
	@echo 'Installing portwatchd into $(VENV) ...'
	@$(PIP_LOCKED) requirements.lock
	@$(PIP_PROJECT)
	@touch $@

$(STAMPS)/dev: $(STAMPS)/run dev-requirements.lock
	@echo 'Installing the tools that check and test into $(VENV) ...'
	@$(PIP_LOCKED) dev-requirements.lock
	@touch $@

$(STAMPS)/deb: $(STAMPS)/run deploy/deb/requirements.lock
	@$(PIP_LOCKED) deploy/deb/requirements.lock
	@touch $@

# A python that moved away (an upgrade of the system) leaves a dead link behind: then the stamp counts for nothing.
ifneq ($(wildcard $(STAMPS)/venv),)
ifeq ($(shell $(BIN)/python -c 'import pip' 2>/dev/null && echo alive),)
.PHONY: $(STAMPS)/venv
endif
endif
$(STAMPS)/venv:
	@for python in $(PYTHONS); do \
		if "$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "Making $(VENV) with $$("$$python" --version) ..."; \
			"$$python" -m venv --clear $(VENV) && mkdir -p $(STAMPS) && touch $@; exit; \
		fi; \
	done; \
	echo 'portwatchd needs Python 3.11 or newer with venv (Debian: apt-get install python3-venv), or make PYTHON=/path/to/python' >&2; \
	exit 1
