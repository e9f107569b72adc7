# Needs Python >= 3.11, pip and a package index; nothing else. One verb for each deed, the same here and in .ci/run.

.DEFAULT_GOAL := help
.PHONY: help install run test check bench bench-peers soak fuzz chaos reliability catalog lock clean
.DELETE_ON_ERROR:

CANDIDATES := python3 python3.14 python3.13 python3.12 python3.11 python
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in $(CANDIDATES); do $$p -c '$(NEW_ENOUGH)' 2>/dev/null && echo $$p && break; done)

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
COMPILE := pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links

help:
	@echo "make install   create .venv with the locked dependencies and the command $(BIN)/hybridge"
	@echo "make run       install, then start Hybridge on 127.0.0.1:8080        (ARGS=... for hybridge serve)"
	@echo "make test      install what the tests need, then run them all        (ARGS=... for pytest)"
	@echo "make check     format, lint, types, import contracts, architecture"
	@echo "make bench     what a request costs, and what Hybridge takes besides (ARGS=... for bench)"
	@echo "make bench-peers   the same of other gateways, installed in a cache  (ARGS=... for bench.peers)"
	@echo "make soak      many requests: memory and accounts                    (ARGS=... for bench.soak)"
	@echo "make fuzz      a million mutated requests and answers, and as many for the codecs alone (ARGS=... for fuzz)"
	@echo "make chaos     break everything in every phase, and put what came of it into docs/reliability.md (ARGS=...)"
	@echo "make reliability   simulate days of imperfect providers, and put what came of it there, too (ARGS=...)"
	@echo "make catalog   make the catalogue's snapshot and the provider table anew from the installed sources"
	@echo "make lock      make requirements/*.txt anew from pyproject.toml       (ARGS=--upgrade for newer versions)"
	@echo "make clean     remove what the other verbs left behind, but not .venv"

install: .venv/.installed

run: install
	$(BIN)/hybridge serve $(ARGS)

test: .venv/.tested
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

check: .venv/.tested
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --strict src tests bench fuzz
	$(BIN)/lint-imports --no-logo
	$(BIN)/pytest --quiet tests/architecture

bench: install
	$(BIN)/python -m bench $(ARGS)

bench-peers: install
	$(BIN)/python -m bench.peers $(ARGS)

soak: install
	$(BIN)/python -m bench.soak $(ARGS)

fuzz: install
	$(BIN)/python -m fuzz $(ARGS)

chaos: install
	$(BIN)/hybridge chaos run --requests 300 --into docs/reliability.md $(ARGS)

reliability: install
	$(BIN)/hybridge simulate --reliability --requests 690000 --check --into docs/reliability.md $(ARGS)

# The sources of the catalogue are test dependencies: serving needs none of them.
catalog: .venv/.tested
	$(BIN)/python -m hybridge.providers.refresh
	$(BIN)/python -m hybridge.providers.table > docs/reference/providers.md

# The stamps make a second call instantaneous; a changed lock or pyproject.toml makes them stale.
.venv/.installed: pyproject.toml requirements/build.txt requirements/run.txt
	@test -n "$(PYTHON)" || { echo "Hybridge needs Python 3.11 or newer (PYTHON=/path/to/python3)" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(PIP) install --quiet --require-hashes -r requirements/build.txt -r requirements/run.txt
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.tested: .venv/.installed requirements/test.txt
	$(PIP) install --quiet --require-hashes -r requirements/test.txt
	@touch $@

# uv lives in a throw-away venv and asks the index that pip is configured for.
lock:
	@set -e; tmp=$$(mktemp -d); trap 'rm -rf "$$tmp"' EXIT; \
	$(PYTHON) -m venv "$$tmp"; "$$tmp/bin/python" -m pip install --quiet --disable-pip-version-check uv; \
	index=$${PIP_INDEX_URL:-$$($(PYTHON) -m pip config get global.index-url 2>/dev/null || true)}; \
	test -z "$$index" || export UV_DEFAULT_INDEX="$$index"; \
	set -x; \
	"$$tmp/bin/uv" $(COMPILE) $(ARGS) pyproject.toml -o requirements/run.txt; \
	"$$tmp/bin/uv" $(COMPILE) $(ARGS) pyproject.toml --extra test -c requirements/run.txt -o requirements/test.txt; \
	"$$tmp/bin/uv" $(COMPILE) $(ARGS) --group pyproject.toml:build -c requirements/test.txt -o requirements/build.txt

clean:
	rm -rf build dist htmlcov .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .coverage .coverage.*
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
