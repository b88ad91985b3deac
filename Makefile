# Two commands do everything on a fresh machine: `make run` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SCENARIO ?= configs/japan_2030.yaml

.PHONY: run test check evidence schema notebooks benchmark clean

run: $(READY)
	$(BIN)/cislunar run $(SCENARIO)

test: $(READY)
	$(BIN)/python -m pytest -q -rs -n 2 --dist loadfile

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

# docs/validation.md from the tests that compare with outside numbers
evidence: $(READY)
	$(BIN)/python tests/ledger.py docs/validation.md

schema: $(READY)
	for what in scenario trade roadmap; do \
		$(BIN)/cislunar schema $$what > docs/schema/$$what.schema.json || exit 1; done

notebooks: $(READY)
	$(BIN)/python -m pytest -q tests/test_notebooks.py

benchmark: $(READY)
	$(BIN)/python benchmarks/bench_families.py
	$(BIN)/python benchmarks/bench_propagate.py
	$(BIN)/python benchmarks/bench_routing.py
	$(BIN)/python benchmarks/bench_network.py out/japan_2030

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $(READY)

clean:
	rm -rf $(VENV) out build dist *.egg-info .pytest_cache .ruff_cache
