# What a user runs; everything below sets itself up in .venv.
PYTHON ?= $(shell for p in python3.12 python3.11 python3; do $$p -c "" 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin

.PHONY: demo test cluster check fuzz chaos bench overload docs clean

.venv/ready: pyproject.toml requirements.lock
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check -c requirements.lock -e '.[dev]'
	@touch $@

demo: .venv/ready
	$(BIN)/pointsman demo

test: .venv/ready
	$(BIN)/python -m pytest -n 2 --dist worksteal

cluster: .venv/ready
	$(BIN)/python -m pytest -n 2 --dist worksteal --topology cluster tests/model tests/integration tests/chaos

check: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/architecture

fuzz: .venv/ready
	HYPOTHESIS_PROFILE=fuzz $(BIN)/python -m pytest tests/model tests/edit/test_edit_properties.py tests/edit/test_sharing_properties.py

MINUTES ?= 30
SEED ?= 1
TOPOLOGY ?= one
chaos: .venv/ready
	$(BIN)/python -m tests.chaos --minutes $(MINUTES) --seed $(SEED) --topology $(TOPOLOGY)

bench: .venv/ready
	$(BIN)/pointsman bench

overload: .venv/ready
	$(BIN)/python -m bench overload

docs: .venv/ready
	$(BIN)/python -m docs.generate

clean:
	rm -rf .venv .pointsman
