"""Icarus Verilog: an event-driven simulator of four-state Verilog, compiled and run in a folder."""

import re
import shutil
import subprocess
from pathlib import Path

from vedette.errors import ToolError
from vedette.tools import process

TIMEOUT_S = 3600.0


def executable(name: str = "iverilog") -> str:
    """Path of `iverilog`, the compiler, or `vvp`, which runs what it makes.

    Raises:
        ToolError: it is not on PATH.
    """
    found = shutil.which(name)
    if found is None:
        raise ToolError(
            f"Icarus Verilog is needed, and {name} is not on PATH", hint="apt-get install iverilog"
        )
    return found


def version() -> str:
    """For example "Icarus Verilog 11.0".

    Raises:
        ToolError: it is not on PATH.
    """
    said = subprocess.run([executable(), "-V"], capture_output=True, check=False).stdout
    found = re.search(r"Icarus Verilog version (\S+)", said.decode(errors="replace"))
    return f"Icarus Verilog {found.group(1) if found else '?'}"


def compile(sources: list[Path], top: str, program: Path) -> None:
    """Make `program` for `vvp` out of Verilog-2005 sources.

    Raises:
        ToolError: no Icarus, or it refuses the text.
    """
    _run([executable(), "-g2005", "-s", top, "-o", str(program), *map(str, sources)], program.parent)


def run(program: Path) -> str:
    """What the simulation prints; it runs in the program's folder.

    Raises:
        ToolError: no Icarus, it fails, or it runs too long.
    """
    return _run([executable("vvp"), "-N", program.name], program.parent)


def _run(command: list[str], folder: Path) -> str:
    return process.run(command, timeout_s=TIMEOUT_S, folder=folder, too_long="fewer faults or cycles").text
