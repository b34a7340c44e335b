"""Jobs on Dask's workers: processes of this machine, or whatever serves a scheduler elsewhere.

Dask does a lost worker's calls again on another. What is added here: early words about a scheduler that
is not there, has no workers or runs other versions, and an end to calls that kill every worker.

Dask's processes send each other pickled objects, and pickle runs whatever code it is sent: who can
reach a scheduler or a worker can do there all that its user can. Open their ports only to machines, and
to users of this one, that may. Nothing is unpickled from files.

What calls share stays with an outside scheduler until the work ends, or, where the asking process was
killed, until that scheduler ends.
"""

import logging
import os
import re
import socket
import tempfile
import time
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

from vedette.errors import ClusterError, InputError, MissingExtraError
from vedette.jobs.split import HERE, Item, Jobs, Result, Shared

if TYPE_CHECKING:
    from distributed import Client, Future

WORKERS_MOST = 256  # of a local cluster
CONNECT_S = 10.0
PATIENCE_S = 60.0  # without a single worker
POLL_S = 1.0  # between looks at workers while no result comes
SENDS = 3  # tries to reach all workers at once
ATTEMPTS = 2  # each ends when its workers died as often as the scheduler allows: four times, by default
TLS = ("CA_FILE", "CLIENT__CERT", "CLIENT__KEY")  # settings of Dask that name files
ALIKE = ("vedette", "python", "numpy", "dask", "distributed")  # versions; of Python the first two numbers

_LOCAL = re.compile(r"local(?::([0-9]{1,6}))?")


@contextmanager
def open_jobs(scheduler: str | None = None, *, patience_s: float = PATIENCE_S) -> Iterator[Jobs]:
    """Jobs for as long as the context lasts.

    Args:
        scheduler: empty: in this process; "local" or "local:N": in N processes that end with the context, by
            default one a core; "tcp://host:port": on the workers of that Dask scheduler, which go on.
        patience_s: how long there may be no worker.

    A script that uses "local" guards its main part by `if __name__ == "__main__":`, for the processes
    import it.

    Raises:
        InputError: `scheduler` is none of these.
        MissingExtraError: Dask is not installed.
        ClusterError: nobody answers there, no worker comes, or versions differ.

    >>> with open_jobs() as jobs:
    ...     sorted(jobs.map_unordered(divmod, 17, [5, 3]))
    [(0, (3, 2)), (1, (5, 2))]
    """
    if not scheduler:
        yield HERE
        return
    local = _LOCAL.fullmatch(scheduler)
    if local is None:
        _check_address(scheduler)
    try:
        import distributed  # noqa: F401
    except ImportError:
        raise MissingExtraError(
            "work on a scheduler's workers needs Dask", hint="pip install 'vedette[cluster]'"
        ) from None
    if local is None:
        with _client(scheduler) as client:
            _check_workers(client, patience_s, f"start one: dask worker {scheduler}")
            yield Cluster(client, patience_s)
        return
    workers = int(local[1]) if local[1] else _cores()
    if not 1 <= workers <= WORKERS_MOST:
        raise InputError(f"{workers} local workers", hint=f"1 to {WORKERS_MOST} are possible")
    with _local_cluster(workers) as address, _client(address) as client:
        _check_workers(client, patience_s, "try fewer: --scheduler local:1")
        yield Cluster(client, patience_s)


class Cluster(Jobs):
    """Calls on the workers of a Dask client; two a thread are sent ahead.

    Args:
        patience_s: how long there may be no worker.
    """

    def __init__(self, client: "Client", patience_s: float = PATIENCE_S) -> None:
        self._client = client
        self._patience_s = patience_s

    def map_unordered(
        self, function: Callable[[Shared, Item], Result], shared: Shared, items: Iterable[Item]
    ) -> Generator[tuple[int, Result], None, None]:
        from distributed import KilledWorker

        from vedette.jobs.worker import call, versions

        name = f"vedette-{uuid4().hex}"
        rest = enumerate(items)
        done: SimpleQueue[Future] = SimpleQueue()
        running: dict[object, tuple[int, Item, int, Future]] = {}

        def begin(number: int, item: Item, attempt: int) -> None:
            key = f"{name}-{number}-{attempt}"
            future = self._client.submit(call, name, item, versions(), key=key, pure=False)
            running[key] = number, item, attempt, future
            future.add_done_callback(done.put)

        room, seen = 1, time.monotonic()  # when there was a worker last
        looked = float("-inf")
        try:
            self._hold(name, function, shared)
            while True:
                if time.monotonic() - looked >= POLL_S:
                    looked = time.monotonic()
                    threads = self._threads()
                    room, seen = max(1, 2 * threads), looked if threads else seen
                    if looked - seen > self._patience_s:
                        raise ClusterError(
                            f"no worker was left for {self._patience_s:.0f} s",
                            hint="look at the workers' logs, start them, and run the command again",
                        )
                for number, item in islice(rest, max(0, room - len(running))):
                    begin(number, item, 1)
                if not running:
                    return
                try:
                    future = done.get(timeout=POLL_S)
                except Empty:
                    continue
                number, item, attempt, _ = running.pop(future.key)
                if future.cancelled():
                    raise _lost()
                try:
                    result = future.result()
                except KilledWorker as error:
                    if attempt == ATTEMPTS:
                        raise ClusterError(
                            f"job {number} ended every worker that had it, {error.last_worker.address} last",
                            hint="look at that worker's log: does it need more memory?",
                        ) from None
                    begin(number, item, attempt + 1)
                    continue
                del future  # the worker may forget the result
                yield number, result
        finally:
            with suppress(OSError):  # of a scheduler that is gone
                if self._client.status == "running":
                    self._client.cancel([future for *_, future in running.values()], force=True)
                    self._client.unregister_worker_plugin(name)

    def _hold(self, name: str, function: Callable[..., Any], shared: object) -> None:
        """Send function and shared value to every worker, those to come included.

        They are pickled here, for the scheduler need not know what is in them.
        """
        import cloudpickle

        from vedette.jobs.worker import Held

        packed = cloudpickle.dumps((function, shared))
        for tries_left in reversed(range(SENDS)):
            try:
                self._client.register_plugin(Held(packed), name)
                return
            except OSError:  # a worker was lost just now
                if not tries_left:
                    raise _lost() from None
                time.sleep(POLL_S)

    def _threads(self) -> int:
        """Threads of all workers."""
        if self._client.status != "running":
            raise _lost()
        try:
            return sum(self._client.nthreads().values())
        except OSError:
            raise _lost() from None


def _cores() -> int:
    """Cores that this process may use."""
    return min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, 256)


def _check_address(scheduler: str) -> None:
    try:
        parts = urlsplit(scheduler)
        good = parts.scheme in ("tcp", "tls") and bool(parts.hostname) and bool(parts.port)
    except ValueError:  # the port is no number
        good = False
    if not good or parts.path or parts.query:
        raise InputError(
            f"{scheduler!r} names no scheduler", hint="write local, local:4 or tcp://host:8786, as it prints"
        )


@contextmanager
def _client(address: str) -> Iterator["Client"]:
    """A client of the scheduler at an address, of the same versions."""
    from distributed import Client
    from distributed.versions import VersionMismatchWarning

    if address.startswith("tls:"):
        _check_certificates()
    try:
        _knock(address)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", VersionMismatchWarning)  # ours says what matters
            client = Client(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ImportError) as error:
        raise ClusterError(
            f"no scheduler answers at {address} ({error})",
            hint="start one with `dask scheduler`, and give the address that it prints",
        ) from None
    with client:
        yield client


def _check_certificates() -> None:
    """See that Dask finds certificates in its settings; its client would fail without a word of ours."""
    from distributed import Security

    try:
        found = Security().get_connection_args("client").get("ssl_context")
        why = "none is named"
    except OSError as error:
        found, why = None, str(error)
    if found is None:
        names = ", ".join(f"DASK_DISTRIBUTED__COMM__TLS__{name}" for name in TLS)
        raise ClusterError(f"tls:// needs Dask's certificates: {why}", hint=f"name files in {names}")


def _knock(address: str) -> None:
    """See that something of Dask listens, which speaks first; its client would wait much longer, or for ever.

    Raises:
        OSError: nobody does, or another service.
    """
    parts = urlsplit(address)
    with socket.create_connection((parts.hostname, parts.port), CONNECT_S) as connection:
        if parts.scheme == "tcp" and not connection.recv(1):
            raise ConnectionError("it hung up")


def _check_workers(client: "Client", patience_s: float, hint: str) -> None:
    """Wait for one worker; then all that are there have the versions that are here."""
    from vedette.jobs.worker import mismatch

    try:
        client.wait_for_workers(1, timeout=patience_s)
    except TimeoutError:
        raise ClusterError(f"the scheduler has no worker after {patience_s:.0f} s", hint=hint) from None
    found: Any = client.get_versions(packages=["vedette"])
    ours = _alike(found["client"])
    everyone = {"the scheduler": found["scheduler"]}
    everyone |= {f"worker {address}": them for address, them in found["workers"].items()}
    for who, them in everyone.items():
        if _alike(them) != ours:
            raise mismatch(who, _alike(them), ours)


def _alike(found: dict[str, Any]) -> dict[str, str]:
    """Of what Dask says about a process, the versions that must be equal."""
    versions = {name: found["packages"].get(name) or "missing" for name in ALIKE}
    return versions | {"python": ".".join(versions["python"].split(".")[:2])}


def _lost() -> ClusterError:
    return ClusterError("the scheduler was lost", hint="start it and its workers, and run the command again")


@contextmanager
def _local_cluster(workers: int) -> Iterator[str]:
    """Address of a scheduler in this process, with so many processes of one thread as workers."""
    from distributed import LocalCluster

    with (
        tempfile.TemporaryDirectory(prefix="vedette-", ignore_cleanup_errors=True) as folder,
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",  # any port: None can still mean 8787, which may be in use
            memory_limit=0,  # as without Dask, the system's
            local_directory=folder,
            preload=["vedette.jobs.worker"],
            silence_logs=logging.CRITICAL,  # a worker that is killed is replaced: no news
        ) as cluster,
    ):
        yield cluster.scheduler_address
