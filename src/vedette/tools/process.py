"""Run an outside program to its end: what it said, or a `ToolError` that tells what went wrong."""

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vedette.errors import ToolError

LAST_LINES = 5  # of what a program said, in an error


@dataclass(frozen=True)
class Said:
    """What a program wrote."""

    data: bytes  # to its standard output
    log: str  # to its standard error

    @property
    def text(self) -> str:
        return self.data.decode(errors="replace")


def run(
    command: Sequence[str],
    *,
    timeout_s: float,
    name: str = "",
    data: bytes | None = None,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    too_long: str = "try something smaller",
    no_start: str = "install it again",
) -> Said:
    """Run `command`.

    Args:
        name: of the program, for messages; by default the command's own.
        data: for its standard input.
        folder: where it runs.
        environment: variables beside those of this process.
        too_long, no_start: hints.

    Raises:
        ToolError: it does not start, runs too long, or ends with another code than 0.

    >>> run(["echo", "here"], timeout_s=10).text
    'here\\n'
    """
    name = name or Path(command[0]).name
    shown = shlex.join(command)
    try:
        done = subprocess.run(
            command,
            input=data,
            capture_output=True,
            timeout=timeout_s,
            check=False,
            cwd=folder,
            env={**os.environ, **(environment or {})},
        )
    except subprocess.TimeoutExpired as error:
        raise ToolError(f"{name} ran longer than {timeout_s:g} s: {shown}", hint=too_long) from error
    except OSError as error:
        raise ToolError(f"{command[0]} does not start: {error.strerror}", hint=no_start) from error
    log = done.stderr.decode(errors="replace")
    if done.returncode != 0:
        said = (log.strip() or done.stdout.decode(errors="replace").strip()).splitlines()[-LAST_LINES:]
        last = " | ".join(line.strip() for line in said)
        raise ToolError(f"{name} ended with code {done.returncode}: {last}", hint=f"the command was: {shown}")
    return Said(done.stdout, log)
