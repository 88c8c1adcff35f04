# Two commands are all that is needed: `make demo` opens the page, `make test` runs the tests.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-scale test-wheel test-llm lint format build

demo: .venv/installed
	$(BIN)/python app.py

test: .venv/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

# Commands that are killed, a Ray cluster of two nodes, and two processes of torchrun, all on this machine.
test-scale: .venv/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m scale tests/scale

# Builds wheel and sdist, installs the wheel into an empty environment and uses it there. Downloads PyTorch.
test-wheel: .venv/installed-dev
	$(BIN)/python -m pytest -m wheel tests/test_wheel.py

# A language model on this machine; its server is built from source, about 5 minutes with cmake and a C++ compiler.
test-llm: .venv/installed-dev .venv/installed-llm
	$(BIN)/python -m pytest -m llm tests/llm

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/pyright --pythonpath $(BIN)/python

format: .venv/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

build: .venv/installed-dev
	$(BIN)/python -m build --outdir dist

.venv/installed: pyproject.toml setup.py
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[demo]'
	touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@

# In an environment of its own: the server is a separate program, which `make test` does not need. It is built for any
# processor and never taken from pip's cache: a build for another processor crashes at the first question.
.venv/installed-llm: .venv/installed requirements-llm.txt
	$(PYTHON) -m venv .venv/llm
	.venv/llm/bin/pip install --quiet --upgrade pip
	CMAKE_ARGS=-DGGML_NATIVE=OFF .venv/llm/bin/pip install --quiet --no-cache-dir -r requirements-llm.txt
	touch $@
