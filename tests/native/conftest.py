"""C++ programs for this machine, for it with a sanitizer watching, and for the ARM computer that flies."""

import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent
NATIVE = HERE.parents[1] / "src" / "native"
FLAGS = ["-std=c++17", "-Wall", "-Wextra", "-Werror", f"-I{NATIVE}", f"-I{HERE}"]
ARM_COMPILER = "aarch64-linux-gnu-g++"
EMULATOR = next((e for e in ("qemu-aarch64", "qemu-aarch64-static") if shutil.which(e)), None)
SANITIZED = ["-O1", "-fsanitize=undefined,address", "-fno-sanitize-recover=all"]


@dataclass(frozen=True)
class Program:
    """A compiled test program; arrays go in and come out by file."""

    path: Path
    emulator: tuple[str, ...]

    def run(self, arrays: Sequence[np.ndarray], folder: Path) -> list[bytes]:
        """The arrays that the program writes, as bytes."""
        given, result = folder / "given", folder / "result"
        blocks = (np.int64(a.nbytes).tobytes() + np.ascontiguousarray(a).tobytes() for a in arrays)
        given.write_bytes(b"".join(blocks))
        done = subprocess.run(
            [*self.emulator, self.path, given, result], timeout=250, capture_output=True, text=True
        )
        assert done.returncode == 0, f"status {done.returncode}\n{done.stderr}"
        data, at, found = result.read_bytes(), 0, []
        while at < len(data):
            size = int.from_bytes(data[at : at + 8], "little")
            found.append(data[at + 8 : at + 8 + size])
            at += 8 + size
        assert at == len(data)
        return found


ARM = pytest.param(
    "arm",
    marks=[
        pytest.mark.slow,
        pytest.mark.skipif(
            not (shutil.which(ARM_COMPILER) and EMULATOR),
            reason="apt-get install g++-aarch64-linux-gnu qemu-user: the ARM tests need them",
        ),
    ],
)


def compiler_for(machine: str, folder: Path) -> Callable[..., Program]:
    """Compiles a program of this folder with kernels of src/native: build("x_main.cpp", "x.cpp")."""
    if machine != "arm" and not shutil.which("g++"):
        pytest.skip("g++ is not installed")

    @cache
    def build(program: str, *kernels: str) -> Program:
        path = folder / Path(program).stem
        sources = [HERE / program, *(NATIVE / kernel for kernel in kernels)]
        compiler = ARM_COMPILER if machine == "arm" else "g++"
        flags = {"host": ["-O3"], "sanitized": SANITIZED, "arm": ["-O3", "-static"]}[machine]
        subprocess.run([compiler, *FLAGS, *flags, *sources, "-o", path], check=True, timeout=200)
        return Program(path, (EMULATOR,) if machine == "arm" and EMULATOR else ())

    return build


@pytest.fixture(scope="session", params=["host", "sanitized", ARM])
def build(request, tmp_path_factory):
    return compiler_for(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="session", params=["host", pytest.param("sanitized", marks=pytest.mark.slow), ARM])
def build_more_slowly(request, tmp_path_factory):
    """As `build`, for what a sanitizer takes long to compile."""
    return compiler_for(request.param, tmp_path_factory.mktemp(request.param))
