# `make demo` and `make test` are all a visitor needs; both set up what they use, once.
export PYTHONDONTWRITEBYTECODE =
PYTHON ?= python3
BIN := .venv/bin
SCENE := src/vedette/samples/scene.tif

.PHONY: demo test test-all check bench docs dist
.DEFAULT_GOAL := demo

.venv/.ok: pyproject.toml $(wildcard src/native/*)
	@missing=""; \
	command -v g++ >/dev/null || missing="$$missing g++"; \
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || missing="$$missing python3"; \
	$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || missing="$$missing python3-venv"; \
	$(PYTHON) -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_paths()["include"] + "/Python.h"))' \
	  2>/dev/null || missing="$$missing python3-dev"; \
	if [ -n "$$missing" ]; then echo "missing:$$missing; type: sudo apt-get install -y$$missing"; exit 1; fi
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q --disable-pip-version-check --no-compile -e '.[dev,geo,anchors,runtime,silicon,cluster]'
	touch $@

demo: .venv/.ok
	@mkdir -p out
	$(BIN)/vedette run $(SCENE) -o out/scene.vdt --nir 4 --budget 20kB --report out/report.html
	$(BIN)/vedette open out/scene.vdt -o out --original $(SCENE)

test: .venv/.ok
	$(BIN)/python -m pytest -q -n 2

test-all: .venv/.ok
	$(BIN)/python -m pytest -q -n 2 -m "slow or not slow"

check: .venv/.ok
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/test_weights_size.py

bench: .venv/.ok
	$(BIN)/python benchmarks/kernels/rans.py --quick
	$(BIN)/python benchmarks/kernels/exact_conv.py --quick
	$(BIN)/python benchmarks/codec/scene.py --quick
	$(BIN)/python benchmarks/rd/kodak_aerials.py --quick
	$(BIN)/python benchmarks/lowbit/product.py --quick
	$(BIN)/python benchmarks/lowbit/layer.py --quick
	$(BIN)/python benchmarks/lowbit/norms.py --quick

docs: .venv/.ok
	$(BIN)/python -m pytest -q tests/test_readme.py

dist: .venv/.ok
	rm -rf build
	$(BIN)/python -m build --outdir dist .
