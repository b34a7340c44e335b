"""Functions that workers can import."""

import os
import signal
import time
from pathlib import Path

from vedette.errors import InputError


class Once:
    """A value that says in a folder in which process it was unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self):
        return _unpacked, (self.folder,)


def _unpacked(folder: Path) -> Once:
    note(folder)
    return Once(folder)


def note(folder: Path) -> None:
    """Leave a file named after this process."""
    (folder / f"{os.getpid()}-{time.monotonic_ns()}").touch()


def scaled(factor, item):
    return factor * item


def who(shared, item):
    time.sleep(0.05)
    return os.getpid(), id(shared)


def refuse(folder, item):
    note(folder)
    raise InputError(f"item {item} is too wide", hint="cut it")


def killed_once(folder, item):
    """Item 3 ends its process by SIGKILL the first time."""
    if item == 3 and not (folder / "killed").exists():
        (folder / "killed").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return item * item


def killed_always(shared, item):
    os.kill(os.getpid(), signal.SIGKILL)


def nap(seconds, item):
    time.sleep(seconds)
    return item
