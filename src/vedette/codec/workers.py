"""Tiles worked on in several threads, to the same bytes as in one.

A float sum depends on how many threads of torch share it (measured: 1e-6 of a latent between one thread
and two), and a latent beside a rounding edge would fall to the other side. So torch has one thread for
each tile while a crew is open, however many tiles are worked on at once. A single tile, which no
number of workers would share, keeps all of torch's threads.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from types import TracebackType
from typing import TypeVar

import torch

from vedette.errors import InputError

WORKERS_MOST = 256
DEFAULT_MOST = 8  # a tile in work takes memory: more only where they are asked for
Item = TypeVar("Item")
Result = TypeVar("Result")


class Crew:
    """Threads that apply a function to items; as a context manager.

    Args:
        workers: how many, 1..256; by default as many as torch would use threads, up to 8.
        items: how many items there will be: more workers than that are not made.

    >>> with Crew(2) as crew:
    ...     list(crew.map(abs, [-3, 1, -2]))
    [3, 1, 2]
    """

    def __init__(self, workers: int | None = None, *, items: int = WORKERS_MOST) -> None:
        if workers is not None and not 1 <= workers <= WORKERS_MOST:
            raise InputError(f"{workers} workers", hint=f"1 to {WORKERS_MOST} are possible")
        self.workers = min(workers or min(torch.get_num_threads(), DEFAULT_MOST), items)
        self._alone = items == 1
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> "Crew":
        self._torch_threads = torch.get_num_threads()
        if not self._alone:
            torch.set_num_threads(1)  # threads that begin later start with it too
        if self.workers > 1:
            self._pool = ThreadPoolExecutor(self.workers, thread_name_prefix="vedette")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._pool is not None:
                self._pool.shutdown(cancel_futures=True)
        finally:
            torch.set_num_threads(self._torch_threads)

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Generator[Result, None, None]:
        """The results in the order of `items`, begun only a little ahead of what was taken.

        Never more than `workers` calls run at once. What a call raises is raised here; a caller that
        stops early closes the iterator, and what had not begun is never run.
        """
        if self._pool is None:
            yield from map(function, items)
            return
        ahead: deque[Future[Result]] = deque()
        rest = iter(items)
        try:
            for item in islice(rest, 2 * self.workers):
                ahead.append(self._pool.submit(function, item))
            while ahead:
                result = ahead.popleft().result()
                for item in islice(rest, 1):
                    ahead.append(self._pool.submit(function, item))
                yield result
        finally:
            for future in ahead:
                future.cancel()
