# What a developer types. Everything runs in .venv, whatever environment is active.

BIN := .venv/bin
READY := .venv/ready
REDIS := .venv/redis/redis-server

.DEFAULT_GOAL := help
.PHONY: help demo dev test check crash fmt lock clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-6s  %s\n", $$1, $$2}' Makefile

demo: $(READY) ## See the reactor at work: server, worker and an emulated Daytona, no account needed
	$(BIN)/reactor demo

dev: $(READY) ## Run the reactor from this tree, with an embedded server
	$(BIN)/reactor dev

test: $(REDIS) check ## Everything that must hold: check, then every other test
	$(BIN)/pytest --ignore=tests/unit --ignore=tests/e2e --ignore=tests/crash -n 2
	$(BIN)/pytest tests/e2e tests/crash

check: $(READY) ## Format, lint, types, import contracts and unit tests, in under a minute
	$(BIN)/ruff format --check . && $(BIN)/ruff check .
	$(BIN)/mypy && $(BIN)/lint-imports
	$(BIN)/pytest tests/unit

crash: $(READY) ## Kill, pause and cut what works, and see what that did: KILLS= SEED= EVENTS= RUNS= FSYNC=
	@PYTHONPATH=tests $(BIN)/python -m crash $(foreach name,kills seed events runs fsync,$(if $($(shell echo $(name) | tr a-z A-Z)),--$(name) $($(shell echo $(name) | tr a-z A-Z))))

fmt: $(READY) ## Format, and mend what ruff can mend
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

lock: ## Make .venv anew with the newest dependencies, and write their versions to constraints.txt
	rm -rf .venv && CONSTRAINTS=/dev/null scripts/setup
	{ echo "# The exact versions that \`make\` installs. Written by \`make lock\`."; $(BIN)/pip freeze --exclude-editable; } > constraints.txt
	touch $(READY)

clean: ## Remove .venv and caches; the data in .reactor stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist
	find . -name __pycache__ -prune -exec rm -rf {} +

$(READY): pyproject.toml constraints.txt scripts/setup
	scripts/setup
	@touch $@

$(REDIS): scripts/redis | $(READY)
	scripts/redis
