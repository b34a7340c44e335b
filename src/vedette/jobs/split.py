"""What every way to do jobs can do, and the plainest way: in this process, one after the other."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable
from typing import TypeVar

Shared = TypeVar("Shared")
Item = TypeVar("Item")
Result = TypeVar("Result")


class Jobs(ABC):
    """Applies a function to many items, each apart from the others."""

    @abstractmethod
    def map_unordered(
        self, function: Callable[[Shared, Item], Result], shared: Shared, items: Iterable[Item]
    ) -> Generator[tuple[int, Result], None, None]:
        """Yield each item's number, 0 for the first, with `function(shared, item)`, as they come.

        `items` are drawn only a little ahead of the results that were taken, so that an iterable can end
        early because of them. What a call raises is raised here, at once. A caller that stops early closes
        the iterator; calls that have not begun never will.

        Args:
            function: of a module that workers can import; the same arguments must give the same result,
                for a call is made again where a worker was lost.
            shared: what every call needs, and none changes. It travels once to each worker, and all calls
                there get the same object: what is kept in it or by it serves them all.
        """


class Here(Jobs):
    """Calls in this process, in the order of the items.

    >>> list(Here().map_unordered(pow, 2, [0, 3, 10]))
    [(0, 1), (1, 8), (2, 1024)]
    """

    def map_unordered(
        self, function: Callable[[Shared, Item], Result], shared: Shared, items: Iterable[Item]
    ) -> Generator[tuple[int, Result], None, None]:
        for number, item in enumerate(items):
            yield number, function(shared, item)


HERE = Here()
