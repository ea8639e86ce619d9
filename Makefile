# The verbs of this project. `make` alone names them; every target makes what it needs.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
DOCUMENTS := tests/test_docs.py
STRUCTURE := tests/test_arrows.py tests/test_project.py
# More arguments for pytest: make test ARGS="-k paging -x"
ARGS ?=
# Which tests run: TEST_DB_BACKEND=sqlite|postgresql|mariadb|both|all (unless said, all) and SKIP_DB_TESTS=true.
# tests/switches.py leaves the others out; here it is said which servers are started.
POSTGRES := $(RUN) scripts/with_postgres.py --fast --
MARIADB := $(RUN) scripts/with_mariadb.py --fast --
BESIDE_ := $(POSTGRES) $(MARIADB)
BESIDE_all := $(BESIDE_)
BESIDE_both := $(POSTGRES)
BESIDE_postgresql := $(POSTGRES)
BESIDE_mariadb := $(MARIADB)
BESIDE = $(if $(filter true 1,$(SKIP_DB_TESTS)),,$(BESIDE_$(TEST_DB_BACKEND)))

.DEFAULT_GOAL := help
# Two targets at once would install into one environment at once.
.NOTPARALLEL:
.PHONY: help demo test check fix types pyright docs bench bench-peers faults soak clean

help:
	@echo "make demo    the main job on real data, in a SQLite file"
	@echo "make test    every test, on SQLite, a private PostgreSQL and a private MariaDB"
	@echo "make check   lint, format, types, import arrows, generated files, documents"
	@echo "make fix     lint and format, corrected; generated files written anew"
	@echo "make types   pyright alone; also make pyright"
	@echo "make docs    run every snippet in README and docs"
	@echo "make bench   the benchmarks, beside a private PostgreSQL"
	@echo "make bench-peers  the same work by other libraries, too; writes benchmarks/results/peers.*"
	@echo "make faults  the fault tests at full size; writes docs/reliability.md"
	@echo "make soak    an hour under load with a kill every half minute"
	@echo "make clean   remove the virtual environment and caches"

# One stamp per set of packages, so that a demo need not wait for a type checker.
# It is made anew only when pyproject.toml changed.
$(VENV)/.ready-%: pyproject.toml
	@$(PYTHON) scripts/make_venv.py $(VENV) $*

demo: $(VENV)/.ready-demo
	$(RUN) -m examples.flights $(ARGS)

test: $(VENV)/.ready-test
	@$(BESIDE) $(RUN) -m pytest $(ARGS)

check: $(VENV)/.ready-check
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m pyright --pythonpath $(RUN)
	$(RUN) scripts/make_sync.py --check
	$(RUN) scripts/make_docs.py --check
	$(RUN) -m pytest -q $(STRUCTURE) $(DOCUMENTS)

fix: $(VENV)/.ready-check
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .
	$(RUN) scripts/make_sync.py
	$(RUN) scripts/make_docs.py

types pyright: $(VENV)/.ready-check
	$(RUN) -m pyright --pythonpath $(RUN)

docs: $(VENV)/.ready-test
	$(RUN) -m pytest -q $(DOCUMENTS) $(ARGS)

bench: $(VENV)/.ready-bench
	@$(RUN) scripts/with_postgres.py -- $(RUN) -m benchmarks $(ARGS)

# Makes an environment for each library in benchmarks/.environments/ the first time.
bench-peers: $(VENV)/.ready-bench
	@$(RUN) scripts/with_postgres.py -- $(RUN) -m benchmarks.peers $(ARGS)

# No --fast: what cuts the power must find a server that writes to its disk.
faults: $(VENV)/.ready-test
	@ROWSTEAD_FAULTS=long $(RUN) scripts/with_postgres.py -- $(RUN) scripts/with_mariadb.py -- \
		$(RUN) -m pytest tests/faults $(ARGS)

soak: $(VENV)/.ready-test
	@$(RUN) -m tests.faults.soak --minutes 60 $(ARGS)

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis
