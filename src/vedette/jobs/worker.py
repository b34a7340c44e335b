"""What runs on a Dask worker: one call at a time a thread, beside what all calls share."""

import pickle
import platform
import signal
from collections.abc import Callable
from threading import Lock
from typing import Any

import numpy as np
from distributed import WorkerPlugin, get_worker

from vedette import __version__
from vedette.errors import ClusterError


def dask_setup(worker: object) -> None:
    """A local worker leaves Ctrl-C to the process that started it, and ends with that."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class Held(WorkerPlugin):
    """Function and shared value; Dask gives it to each worker once, also to those that come later.

    Args:
        packed: both, pickled where the work was asked for; unpacked by the first call that needs them.
    """

    def __init__(self, packed: bytes) -> None:
        self._packed = packed
        self._lock = Lock()
        self._unpacked: tuple[Callable[[Any, Any], Any], Any] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return Held, (self._packed,)

    def unpacked(self) -> tuple[Callable[[Any, Any], Any], Any]:
        """The function, and one object for all calls of the worker."""
        with self._lock:
            if self._unpacked is None:
                self._unpacked = pickle.loads(self._packed)
            return self._unpacked


def call(name: str, item: Any, wanted: dict[str, str]) -> Any:
    """One call of what is held by that name; a worker may have come after the others were asked for versions.

    Raises:
        ClusterError: this worker's versions are others.
    """
    if versions() != wanted:
        raise mismatch(f"the worker on {platform.node()}", versions(), wanted)
    held = get_worker().plugins[name]
    assert isinstance(held, Held)
    function, shared = held.unpacked()
    return function(shared, item)


def versions() -> dict[str, str]:
    """Of what a result may depend on."""
    python = ".".join(platform.python_version_tuple()[:2])
    return {"vedette": __version__, "python": python, "numpy": np.__version__}


def mismatch(who: str, theirs: dict[str, str], ours: dict[str, str]) -> ClusterError:
    """The error that says which versions differ."""
    other = [f"{name} {theirs[name]} instead of {ours[name]}" for name in ours if theirs[name] != ours[name]]
    return ClusterError(
        f"{who} has {', '.join(other)}", hint="install the same versions there, and start it again"
    )
