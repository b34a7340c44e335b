"""What torch.compile leaves to Python: layers whose kernels it cannot see into."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import torch

P = ParamSpec("P")
R = TypeVar("R")


def eager(function: Callable[P, R]) -> Callable[P, R]:
    """`function`, at which a compiled model breaks its graph.

    >>> eager(len)([1, 2])
    2
    """
    return cast(Callable[P, R], torch.compiler.disable(function))
