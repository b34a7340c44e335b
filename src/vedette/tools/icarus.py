"""Icarus Verilog: an event-driven simulator of four-state Verilog, compiled and run in a folder."""

import re
import shutil
import subprocess
from pathlib import Path

from vedette.errors import ToolError

TIMEOUT_S = 3600.0
LAST_LINES = 5


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
    name = Path(command[0]).name
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise ToolError(f"{name} ran longer than {TIMEOUT_S:g} s", hint="fewer faults or cycles") from error
    except OSError as error:
        raise ToolError(f"{command[0]} does not start: {error.strerror}", hint="install it again") from error
    if done.returncode != 0:
        said = (done.stdout + done.stderr).decode(errors="replace").strip().splitlines()
        last = " | ".join(line.strip() for line in said[-LAST_LINES:])
        hint = f"the command was: {' '.join(command)}"
        raise ToolError(f"{name} ended with code {done.returncode}: {last}", hint=hint)
    return done.stdout.decode(errors="replace")
