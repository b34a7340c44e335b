"""The C compiler of this machine: where it is, and a shared library made of one source text.

`CC` names another one than the first of `cc`, `gcc` and `clang` on the path.
"""

import os
import shlex
import shutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from vedette.errors import MissingExtraError
from vedette.tools import process

TIMEOUT_S = 600.0


def executable() -> list[str]:
    """The compiler's command.

    Raises:
        MissingExtraError: there is none.
    """
    named = shlex.split(os.environ.get("CC", ""))
    for command in [named] if named else [["cc"], ["gcc"], ["clang"]]:
        if shutil.which(command[0]):
            return command
    raise MissingExtraError(
        "a C compiler is needed, and none is on the path", hint="install gcc or clang, or let CC name one"
    )


def available() -> bool:
    """Whether there is a C compiler."""
    try:
        executable()
    except MissingExtraError:
        return False
    return True


@cache
def version() -> str:
    """The first line of what the compiler says of itself."""
    return _run([*executable(), "--version"]).splitlines()[0]


def shared_library(source: Path, target: Path, options: Sequence[str] = ()) -> None:
    """Compile one C file to a shared library; `target` appears when it is complete.

    Raises:
        MissingExtraError: there is no compiler.
        ToolError: it failed; the message has its last lines.
    """
    unfinished = target.with_name(f"{target.name}.{os.getpid()}")
    _run([*executable(), "-shared", "-fPIC", *options, str(source), "-o", str(unfinished)])
    os.replace(unfinished, target)


def _run(command: Sequence[str]) -> str:
    return process.run(command, name="the C compiler", timeout_s=TIMEOUT_S, no_start="see CC").text
