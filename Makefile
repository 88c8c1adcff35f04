# Two commands set the project up: `make demo` opens the page, `make test` runs everything.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-llm lint format

demo: .venv/installed
	$(BIN)/python app.py

test: .venv/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

# A language model on this machine; its server is built from source, about 5 minutes with cmake and a C++ compiler.
test-llm: .venv/installed-dev .venv/installed-llm
	$(BIN)/python -m pytest -m llm tests/llm

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: .venv/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.venv/installed: requirements.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet -r requirements.txt
	touch $@

.venv/installed-dev: .venv/installed requirements-dev.txt
	$(BIN)/pip install --quiet -r requirements-dev.txt
	touch $@

# In an environment of its own: the server is another program, and `make test` does without it. Not built for this
# processor's own instructions, nor taken from pip's cache: a build for another's ends at the first question.
.venv/installed-llm: .venv/installed requirements-llm.txt
	$(PYTHON) -m venv .venv/llm
	.venv/llm/bin/pip install --quiet --upgrade pip
	CMAKE_ARGS=-DGGML_NATIVE=OFF .venv/llm/bin/pip install --quiet --no-cache-dir -r requirements-llm.txt
	touch $@
