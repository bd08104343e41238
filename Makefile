# Everything runs in ./.venv, made on first use with the versions of requirements.lock. `make help` lists what there is.
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help demo test test-all check bench setup clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

demo: .venv/.ready ## the main job in a terminal, about a minute, no hardware and no broker needed
	$(BIN)/edge demo

test: .venv/.ready ## unit, flow, docs, drivers and short crash rounds; under 5 minutes
	scripts/test

test-all: .venv/.ready ## all of that, real brokers and the full rounds; needs Mosquitto; under 20 minutes
	scripts/test all

check: .venv/.tools ## ruff, strict mypy and the import rules
	scripts/check

bench: .venv/.bench ## figures beside their baseline, from the same run
	$(BIN)/edge bench path
	$(BIN)/edge bench journal
	$(BIN)/edge bench runs
	$(BIN)/edge bench drivers

setup: .venv/.ready ## make ./.venv and install into it; the other targets do it by themselves

clean: ## remove ./.venv, caches and what was built
	rm -rf .venv .demo build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.ready: pyproject.toml requirements.lock requirements-circuitpython.lock scripts/setup
	scripts/setup test

.venv/.bench: .venv/.ready
	scripts/setup bench

.venv/.tools: .venv/.ready
	scripts/setup dev
