# Two commands are all that is needed: `make demo` opens the page, `make test` runs the tests.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-scale test-wheel test-llm lint format build lock

demo: .venv/installed
	$(BIN)/python app.py

test: .venv/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

# Commands that are killed, a Ray cluster of two nodes, and two processes of torchrun, all on this machine; then OpenVINO,
# in a process of its own.
test-scale: .venv/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m scale tests/scale --ignore tests/scale/test_openvino.py
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m scale tests/scale/test_openvino.py

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

# What the container installs, with hashes, for Python 3.11 on Linux; needs uv and the network. PyTorch without CUDA comes
# from an index of its own (requirements-torch.txt), so it and what only its CUDA build needs are left out.
WITHOUT := torch torchvision cuda-bindings cuda-pathfinder cuda-toolkit nvidia-cublas nvidia-cuda-cccl \
	nvidia-cuda-cupti nvidia-cuda-nvrtc nvidia-cuda-runtime nvidia-cudnn-cu13 nvidia-cufft nvidia-cufile nvidia-curand \
	nvidia-cusolver nvidia-cusparse nvidia-cusparselt-cu13 nvidia-nccl-cu13 nvidia-nvjitlink nvidia-nvshmem-cu13 \
	nvidia-nvtx triton
lock:
	UV_CUSTOM_COMPILE_COMMAND="make lock" uv pip compile pyproject.toml --extra demo --extra formats --quiet \
		--constraint requirements-torch.txt --generate-hashes --default-index https://pypi.org/simple --no-annotate \
		--python-version 3.11 --python-platform x86_64-manylinux_2_28 \
		$(addprefix --no-emit-package ,$(WITHOUT)) --output-file requirements.lock

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
