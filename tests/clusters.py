"""Real Dask schedulers and workers on loopback, as processes of their own, for tests."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

TESTS = Path(__file__).parent


@contextmanager
def scheduler(folder: Path) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """Address and process of a scheduler without workers, on a port that the system chose."""
    file = folder / "scheduler.json"
    words = [
        "scheduler",
        "--host",
        "127.0.0.1",
        "--port",
        "0",
        "--dashboard-address",
        "127.0.0.1:0",
        "--scheduler-file",
        file,
    ]
    with _dask(words, {}) as process:
        yield _address(file, process), process


@contextmanager
def worker(
    address: str, folder: Path, settings: Mapping[str, str] | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """A worker without a nanny: dead is dead. It is there soon, not at once."""
    words = [
        "worker",
        address,
        "--no-nanny",
        "--nthreads",
        "1",
        "--no-dashboard",
        "--local-directory",
        folder,
    ]
    with _dask(words, settings or {}) as process:
        yield process


@contextmanager
def cluster(folder: Path, workers: int = 1) -> Iterator[str]:
    """Address of a scheduler with workers."""
    with ExitStack() as stack:
        address, _ = stack.enter_context(scheduler(folder))
        for _ in range(workers):
            stack.enter_context(worker(address, folder))
        yield address


@contextmanager
def _dask(words: list[object], settings: Mapping[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """`dask WORDS` until the context ends; modules of the tests can be imported there."""
    paths = settings.get("PYTHONPATH"), os.environ.get("PYTHONPATH"), str(TESTS)
    path = os.pathsep.join(filter(None, paths))
    process = subprocess.Popen(
        [sys.executable, "-m", "dask", *map(str, words)],
        env=os.environ | dict(settings) | {"PYTHONPATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def _address(file: Path, process: "subprocess.Popen[bytes]") -> str:
    for _ in range(600):
        if file.exists() and (text := file.read_text()):
            return str(json.loads(text)["address"])
        assert process.poll() is None, "the scheduler ended"
        time.sleep(0.1)
    raise AssertionError("the scheduler wrote no address")
