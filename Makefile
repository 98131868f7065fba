# Two commands for everybody: `make demo` and `make test`. Both set up what they need in .venv.
PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# Tryton is GPL code: an environment of its own, run as a process of its own, never imported.
TRYTON := .venv-tryton
TRYTON82 := .venv-tryton82
TRYTON_MODULE := $(wildcard tryton/pyproject.toml $(addprefix tryton/tieout_tryton/*.,py cfg xml))
SEEDS  ?= 1000
WORKERS ?= 2
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export PIP_ROOT_USER_ACTION = ignore
# Tests start the program hundreds of times: what one has compiled, the next ones read.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-long tryton-template test-tryton-8.2 lint lint-rules lint-types bench simulate clean help

help:
	@echo "make demo      a generated company on two simulators, from a won deal to the tie-out"
	@echo "make demo BOOKS=tryton   the same with a real Tryton as its books"
	@echo "make demo PAIR=webcrm-visma_net   the same with another CRM and other books"
	@echo "make test      lint, types, import rules, tests (ten minutes on two cores)"
	@echo "make test-long the longer ones: whole demos, pairs, a person's life with a real Tryton, rounds of kills"
	@echo "make lint      ruff, import rules, types"
	@echo "make test-tryton-8.2   the tests against a real Tryton, in its series 8.2"
	@echo "make simulate  once-only over many seeded histories: SEEDS=1000 FIRST=1"
	@echo "make clean     removes what was installed and built here"
	@echo "make bench     the pipeline against a bare client, memory, a quiet run"

# TIEOUT_WITHOUT_TRYTON=1 leaves out what runs against a real Tryton; those tests then say so.
NEEDS_TRYTON := $(if $(filter 1,$(TIEOUT_WITHOUT_TRYTON)),,$(TRYTON)/.installed)
# The template of a fresh Tryton takes a minute when it is new; it is kept in
# $(TRYTON)/template, or where TIEOUT_TRYTON_CACHE says.
PREPARE = PYTHONPATH=tests $(BIN)/python -m support.tryton_server

demo: $(STAMP) $(if $(filter tryton %-tryton,$(BOOKS) $(PAIR)),$(TRYTON)/.installed)
	@$(BIN)/tieout demo $(if $(PAIR),--pair $(PAIR),$(if $(BOOKS),--books $(BOOKS)))

# What the tests stand on and what reads the code use a core each.
test: $(STAMP) $(NEEDS_TRYTON)
	@$(MAKE) -j2 --no-print-directory lint-types $(if $(NEEDS_TRYTON),tryton-template) lint-rules
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not slow"

tryton-template: $(TRYTON)/.installed
	@$(PREPARE)

# What .ci/run does besides (as long again), and what a release needs.
test-long: $(STAMP) $(NEEDS_TRYTON)
	$(if $(NEEDS_TRYTON),@$(PREPARE))
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m slow

test-tryton-8.2: $(STAMP) $(TRYTON82)/.installed
	@TIEOUT_TRYTON_VENV=$(CURDIR)/$(TRYTON82) $(PREPARE)
	TIEOUT_TRYTON_VENV=$(CURDIR)/$(TRYTON82) $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal tests/tryton $(wildcard tests/contract/test_tryton_*.py)

# Types take as long as all the rest: both at once.
lint: $(STAMP)
	@$(MAKE) -j2 --no-print-directory lint-rules lint-types

lint-rules: $(STAMP)
	$(BIN)/ruff check src tests benchmarks tryton
	$(BIN)/ruff format --check -q src tests benchmarks tryton
	$(BIN)/lint-imports --no-cache

lint-types: $(STAMP)
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

$(TRYTON)/.installed: requirements/tryton.txt $(TRYTON_MODULE)
$(TRYTON82)/.installed: requirements/tryton82.txt $(TRYTON_MODULE)
$(TRYTON)/.installed $(TRYTON82)/.installed:
	@test -x $(@D)/bin/python || { command -v $(PYTHON) >/dev/null && $(PYTHON) -m venv $(@D) || python3 -m venv $(@D); }
	@echo "Installing a real Tryton into $(@D) (ten seconds, once)"
	@$(@D)/bin/python -m pip install -q --require-hashes -r $<
	@$(@D)/bin/python -m pip install -q --no-deps --no-build-isolation --force-reinstall ./tryton
	@touch $@

# As root the demo's database may lie outside its folder.
clean:
	-@test ! -x $(BIN)/python || $(BIN)/python -m tieout.store.embedded_orphans demo/.tieout
	rm -rf $(VENV) $(TRYTON) $(TRYTON82) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis demo
	find . -name __pycache__ -prune -exec rm -rf {} +
