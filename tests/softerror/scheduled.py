"""Engines and jobs for campaigns on workers; workers can import them."""

import os
import random
import signal
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path

from vedette.jobs import Jobs
from vedette.softerror import engine

MARK = "killed"


def killed_once(folder: Path, calls: int, *arguments, **options):
    """The engine, but the process of the call after so many is killed, once."""
    (folder / f"call-{len(list(folder.iterdir())):04}-{os.getpid()}").touch()
    if len(list(folder.iterdir())) > calls and not (folder / MARK).exists():
        (folder / MARK).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return engine.run(*arguments, **options)


class Shuffled(Jobs):
    """Several items are drawn ahead, and any of them is next: what workers may do at worst."""

    def __init__(self, seed: int, ahead: int) -> None:
        self._random, self._ahead = random.Random(seed), ahead

    def map_unordered(self, function: Callable, shared: object, items: Iterable):
        rest, begun = enumerate(items), []
        while True:
            begun += islice(rest, self._ahead - len(begun))
            if not begun:
                return
            number, item = begun.pop(self._random.randrange(len(begun)))
            yield number, function(shared, item)
