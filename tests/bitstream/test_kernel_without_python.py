"""The kernels are plain C++: they compile without Python, for this machine and for the one that flies."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from vedette.bitstream import rans
from vedette.bitstream.tables import Tables

HERE = Path(__file__).parent
KERNEL = HERE.parents[1] / "src" / "native" / "rans.cpp"
TABLES = Tables(
    np.array([0, 40000, 60000, 65535, 65536, 0, 10, 30000, 65000, 65536], dtype=np.int32),
    np.array([0, 5, 10], dtype=np.int32),
    np.array([0, -2], dtype=np.int32),
)
SYMBOLS = np.array([0, -1, -2, 5, 1000, -1, 0, -(2**31), 2, 2**31 - 1, 0], dtype=np.int32)
IDS = np.array([0, 1, 1, 0, 1, 1, 0, 1, 0, 1, 0], dtype=np.int32)
SIDE_BYTES = 15  # lane count, number of escapes, four escaped values


def built_and_run(compiler, emulators, folder):
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    emulator = next((name for name in emulators if shutil.which(name)), None)
    if emulators and emulator is None:
        pytest.skip(f"{emulators[0]} is not installed")
    program = folder / "golden"
    sources = [str(HERE / "rans_golden.cpp"), str(KERNEL)]
    flags = ["-O3", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-static"]
    subprocess.run([compiler, *flags, *sources, "-o", str(program)], check=True)
    command = [str(program)] if emulator is None else [emulator, str(program)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


def streams_of_the_reference(monkeypatch):
    monkeypatch.setattr(rans, "_kernel", lambda: None)
    return [rans.encode(SYMBOLS, IDS, TABLES, lanes=lanes)[SIDE_BYTES:].hex() for lanes in (1, 8)]


def test_the_kernels_alone_give_the_bytes_of_the_reference(monkeypatch, tmp_path):
    assert built_and_run("g++", [], tmp_path) == streams_of_the_reference(monkeypatch)


@pytest.mark.slow
def test_the_kernels_on_arm_give_the_bytes_of_the_reference(monkeypatch, tmp_path):
    arm = built_and_run("aarch64-linux-gnu-g++", ["qemu-aarch64", "qemu-aarch64-static"], tmp_path)
    assert arm == streams_of_the_reference(monkeypatch)
