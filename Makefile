# The two commands: `make run` (a demonstration machine and the server that watches it) and `make test`.
# `PYTHON=python3.13 make ...` chooses the interpreter.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup run tour test lint image-check bench clean

setup:
	@backend/setup.sh "$(PYTHON)" requirements.txt

setup-tests:
	@backend/setup.sh "$(PYTHON)" requirements.dev.txt

run: setup
	@exec $(BIN)/python -m backend.src demo

tour: setup
	@exec $(BIN)/python -m backend.src demo --tour

lint: setup-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: setup-tests
	@tests/install_servers.sh
	@$(MAKE) --no-print-directory lint
	$(BIN)/pytest -n 2

# the image's own steps with everything downloaded, as a build would; needs root
image-check: setup-tests
	LARDER_IMAGE_CHECK=full $(BIN)/pytest -s tests/system/image

bench: setup-tests
	$(BIN)/python -m bench

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
