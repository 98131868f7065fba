# Two commands for everybody: `make demo` and `make test`. Both set up what they need in .venv.
PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
SEEDS  ?= 1000
WORKERS ?= 2
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export PIP_ROOT_USER_ACTION = ignore

.PHONY: demo test lint unit bench simulate clean help

help:
	@echo "make demo      a generated company on two simulators, from a won deal to the tie-out"
	@echo "make test      lint, types, import rules, all tests (under ten minutes on two cores)"
	@echo "make simulate  once-only over many seeded histories: SEEDS=1000 FIRST=1"
	@echo "make bench     the pipeline against a bare client, memory, a quiet run"

demo: $(STAMP)
	@$(BIN)/tieout demo

test: $(STAMP) lint
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

lint: $(STAMP)
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check -q src tests benchmarks
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy

simulate: $(STAMP)
	PYTHONPATH=tests:tests/simulation $(BIN)/python -m simulate --seeds $(SEEDS) --first $(or $(FIRST),1) --workers $(WORKERS)

bench: $(STAMP)
	$(BIN)/python -m benchmarks

# The lock files hold versions and hashes, no addresses: the installer's own settings say where from.
$(STAMP): requirements/dev.txt pyproject.toml
	@test -x $(BIN)/python || { command -v $(PYTHON) >/dev/null && $(PYTHON) -m venv $(VENV) || python3 -m venv $(VENV); }
	@$(BIN)/python -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Tieout needs Python 3.11 or newer; found " + sys.version.split()[0])'
	@echo "Installing what Tieout needs into $(VENV) (a minute, once)"
	@$(BIN)/python -m pip install -q --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install -q --no-deps --no-build-isolation -e .
	@touch $(STAMP)

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis demo
