"""Products of 8-bit matrices with exact 32-bit sums: the NumPy reference and the compiled kernel.

The kernel takes AVX-512 VNNI, AVX2 or plain C++, as the processor has them; the sums are the same.
"""

import importlib
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Float32, Int8, Int32

from vedette.errors import InputError, LimitError

INNER_MOST = (1 << 17) - 1  # products of at most 2^14 each: no sum leaves 32 bits
TARGETS = ("plain", "avx2", "avx512vnni")


def reference(a: Int8[np.ndarray, "m k"], b: Int8[np.ndarray, "n _"]) -> Int32[np.ndarray, "m n"]:
    """sums[m, n] = sum over k of a[m, k] b[n, k], computed in int64.

    Raises:
        LimitError: k so long that a sum might not fit 32 bits.

    >>> reference(np.int8([[1, 2], [3, -4]]), np.int8([[5, 6]])).tolist()
    [[17], [-9]]
    """
    _check(a, b)
    return (a.astype(np.int64) @ b.astype(np.int64).T).astype(np.int32)


def product(
    a: Int8[np.ndarray, "m k"], b: Int8[np.ndarray, "n _"], *, threads: int = 1, target: str = ""
) -> Int32[np.ndarray, "m n"]:
    """As `reference`, by the compiled kernel where it is there.

    Args:
        threads: that share the rows of a.
        target: one of `targets`; "" is the fastest.

    Raises:
        LimitError: as `reference`.
    """
    _check(a, b)
    module = kernel()
    if module is None:
        return reference(a, b)
    sums = np.empty((len(a), len(b)), np.int32)
    none = np.zeros(0, np.float32)
    _run(module, a, b, threads, target, sums, none, none, none, none)
    return sums


def scaled_product(
    a: Int8[np.ndarray, "m k"],
    b: Int8[np.ndarray, "n _"],
    rows: Float32[np.ndarray, " m"],
    columns: Float32[np.ndarray, " n"],
    bias: Float32[np.ndarray, " n"] | None = None,
    *,
    threads: int = 1,
    target: str = "",
) -> Float32[np.ndarray, "m n"]:
    """The sums times a scale for each row and one for each column, plus a bias, in float32, in this order.

    >>> scaled_product(np.int8([[1, 2]]), np.int8([[3, 4]]), np.float32([0.5]), np.float32([2])).tolist()
    [[11.0]]
    """
    _check(a, b)
    module = kernel()
    if module is None:
        scaled = reference(a, b).astype(np.float32) * rows[:, None] * columns
        return scaled if bias is None else scaled + bias
    values = np.empty((len(a), len(b)), np.float32)
    given = np.zeros(0, np.float32) if bias is None else bias
    _run(module, a, b, threads, target, np.zeros(0, np.int32), values, rows, columns, given)
    return values


@cache
def kernel() -> Any:
    """The compiled module, or None."""
    try:
        module = importlib.import_module("vedette._native")
    except ImportError:
        return None
    return module if hasattr(module, "product8") else None


def targets() -> tuple[str, ...]:
    """What the kernel can use on this processor, the fastest last."""
    module = kernel()
    return TARGETS[: module.product8_targets()] if module is not None else ()


def _check(a: np.ndarray, b: np.ndarray) -> None:
    if a.shape[1] != b.shape[1]:
        raise InputError(
            f"inner dimensions {a.shape[1]} and {b.shape[1]} of a product", hint="give equal ones"
        )
    if a.shape[1] > INNER_MOST:
        raise LimitError(
            f"an inner dimension of {a.shape[1]:,}, and sums of 32 bits hold {INNER_MOST:,}", hint="split it"
        )


def _run(module: Any, a: np.ndarray, b: np.ndarray, threads: int, target: str, *others: np.ndarray) -> None:
    number = targets().index(target) if target else -1
    sizes = np.array([*a.shape, len(b), threads, number], np.int64)[[0, 2, 1, 3, 4]]
    contiguous = [np.ascontiguousarray(x) for x in (a, b)]
    module.product8(*contiguous, sizes, *others)
