"""Products of 8-bit matrices with exact 32-bit sums: the NumPy reference and the compiled kernel.

An operand is a matrix (outer, inner), the inner dimension being summed; or a matrix that lies in memory the
other way round, `Inner`; or the patches of an image, which are never laid out as a whole. A step that varies
along the inner dimension by powers of two (`numerics.grouping`) is summed by Horner's rule: `horner` brings
its groups in an order and says where the sums are doubled.

The kernel takes AVX-512 VNNI, AVX2 or plain C++, as the processor has them; the sums are the same.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Int8, Int32, Int64

from vedette.errors import InputError, LimitError
from vedette.numerics.compiled import compiled
from vedette.numerics.pool import RESULTS

LARGEST = 1 << 14  # of a product of two 8-bit numbers
TARGETS = ("plain", "avx2", "avx512vnni")


@dataclass(frozen=True)
class Inner:
    """An operand that lies in memory as (inner, outer)."""

    values: Int8[np.ndarray, "inner outer"]

    @property
    def shape(self) -> tuple[int, int]:
        """Outer and inner length."""
        return self.values.shape[1], self.values.shape[0]


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Where the patches of an image lie, for arrays and tensors alike.

    Args:
        image: batch, height, width, channels.
        kernel, padding, out: vertical and horizontal; `out` is how many patches there are each way.
        up: the image is taken as if up - 1 zeros stood between its pixels.
        inner: the pixels are the inner dimension, the values of a patch the outer one; else the other way
            round.
    """

    image: Any
    kernel: tuple[int, int]
    padding: tuple[int, int]
    out: tuple[int, int]
    stride: int = 1
    dilation: int = 1
    up: int = 1
    inner: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """Outer and inner length."""
        pixels = self.image.shape[0] * self.out[0] * self.out[1]
        patch = self.kernel[0] * self.kernel[1] * self.image.shape[3]
        return (patch, pixels) if self.inner else (pixels, patch)


@dataclass(frozen=True, kw_only=True)
class Patches(Windows):
    """The patches of an image, in the order kernel row, kernel column, channel; zeros beyond its edges."""

    image: Int8[np.ndarray, "b h w c"]

    def matrix(self) -> Int8[np.ndarray, "outer inner"]:
        """The patches laid out.

        >>> image = np.arange(4, dtype=np.int8).reshape(1, 2, 2, 1)
        >>> Patches(image=image, kernel=(1, 2), padding=(0, 1), out=(2, 3)).matrix()[:3].tolist()
        [[0, 0], [0, 1], [1, 0]]
        """
        batch, height, width, channels = self.image.shape
        spread = np.zeros(
            (batch, (height - 1) * self.up + 1, (width - 1) * self.up + 1, channels), self.image.dtype
        )
        spread[:, :: self.up, :: self.up] = self.image
        reach = [
            (out - 1) * self.stride + (k - 1) * self.dilation + 1
            for out, k in zip(self.out, self.kernel, strict=True)
        ]
        more = [max(0, r - s - p) for r, s, p in zip(reach, spread.shape[1:3], self.padding, strict=True)]
        padded = np.pad(spread, ((0, 0), *((p, m) for p, m in zip(self.padding, more, strict=True)), (0, 0)))
        found = np.empty((batch, *self.out, *self.kernel, channels), np.int8)
        for y in range(self.kernel[0]):
            for x in range(self.kernel[1]):
                top, left = y * self.dilation, x * self.dilation
                found[:, :, :, y, x] = padded[
                    :,
                    top : top + (self.out[0] - 1) * self.stride + 1 : self.stride,
                    left : left + (self.out[1] - 1) * self.stride + 1 : self.stride,
                ]
        rows = found.reshape(batch * self.out[0] * self.out[1], -1)
        return rows.T if self.inner else rows


Operand = Int8[np.ndarray, "_ _"] | Inner | Patches  # outer, inner


@dataclass(frozen=True)
class Horner:
    """The inner dimension in the order of its groups, -1 for a zero, and the places before which sums
    double.
    """

    order: Int32[np.ndarray, " length"]
    doublings: Int64[np.ndarray, " n"]

    def weights(self, inner: int) -> Int64[np.ndarray, " inner"]:
        """By what each of the inner dimension's places is multiplied."""
        found = np.zeros(inner, np.int64)
        kept = np.flatnonzero(self.order >= 0)
        found[self.order[kept]] = 1 << (len(self.doublings) - np.searchsorted(self.doublings, kept, "right"))
        return found


def horner(exponents: Int64[np.ndarray, " inner"]) -> Horner:
    """Weights 2^(e_max - e) of the inner dimension, by Horner's rule.

    >>> horner(np.array([1, 0, 3])).weights(3).tolist()
    [4, 8, 1]
    """
    least, most = (int(f(exponents)) if exponents.size else 0 for f in (np.min, np.max))
    order: list[np.ndarray] = []
    doublings: list[int] = []
    length = 0
    for exponent in range(least, most + 1):
        own = np.flatnonzero(exponents == exponent)
        own = np.pad(own, (0, -len(own) % 4), constant_values=-1)
        order.append(own)
        length += len(own)
        doublings.append(length)
    whole = np.concatenate(order) if order else np.zeros(0)
    return Horner(whole.astype(np.int32), np.array(doublings[:-1], np.int64))


def reference(a: Operand, b: Operand, shifts: Horner | None = None) -> Int32[np.ndarray, "m n"]:
    """sums[m, n] = sum over k of a[m, k] b[n, k], times the weights of `shifts`, computed in int64.

    >>> reference(np.int8([[1, 2], [3, -4]]), np.int8([[5, 6]])).tolist()
    [[17], [-9]]
    """
    left, right = (_matrix(x).astype(np.int64) for x in (a, b))
    if shifts is not None:
        left = left * shifts.weights(left.shape[1])
    return (left @ right.T).astype(np.int32)


def product(
    a: Operand,
    b: Operand,
    *,
    shifts: Horner | None = None,
    largest: int = LARGEST,
    threads: int = 1,
    target: str = "",
) -> Int32[np.ndarray, "m n"]:
    """As `reference`, by the compiled kernel where it is there.

    Args:
        largest: no product of two values, weighted, is larger in magnitude.
        threads: that share the rows of a.
        target: one of `targets`; "" is the fastest.

    Raises:
        InputError: inner dimensions differ.
        LimitError: a sum might not fit 32 bits.
    """
    _check(a, b, largest)
    module = kernel()
    if module is None:
        return reference(a, b, shifts)
    sums = RESULTS.empty((a.shape[0], b.shape[0]), np.int32)
    none = np.zeros(0, np.float32)
    _run(module, a, b, shifts, threads, target, sums, none, none, none, none)
    return sums


def scaled_product(
    a: Operand,
    b: Operand,
    rows: Float32[np.ndarray, " m"],
    columns: Float32[np.ndarray, " n"],
    bias: Float32[np.ndarray, " n"] | None = None,
    *,
    shifts: Horner | None = None,
    largest: int = LARGEST,
    threads: int = 1,
    target: str = "",
) -> Float32[np.ndarray, "m n"]:
    """The sums times a scale for each row and one for each column, plus a bias, in float32, in this order.

    >>> scaled_product(np.int8([[1, 2]]), np.int8([[3, 4]]), np.float32([0.5]), np.float32([2])).tolist()
    [[11.0]]
    """
    _check(a, b, largest)
    module = kernel()
    values = RESULTS.empty((a.shape[0], b.shape[0]), np.float32)
    if module is None:
        values[:] = reference(a, b, shifts).astype(np.float32) * rows[:, None] * columns
        if bias is not None:
            values += bias
        return values
    given = np.zeros(0, np.float32) if bias is None else bias
    _run(module, a, b, shifts, threads, target, np.zeros(0, np.int32), values, rows, columns, given)
    return values


def kernel() -> Any:
    """The compiled module, or None."""
    return compiled("product8")


def targets() -> tuple[str, ...]:
    """What the kernel can use on this processor, the fastest last."""
    module = kernel()
    return TARGETS[: module.product8_targets()] if module is not None else ()


def _matrix(operand: Operand) -> np.ndarray:
    if isinstance(operand, Inner):
        return operand.values.T
    return operand.matrix() if isinstance(operand, Patches) else operand


def _check(a: Operand, b: Operand, largest: int) -> None:
    if a.shape[1] != b.shape[1]:
        raise InputError(
            f"inner dimensions {a.shape[1]} and {b.shape[1]} of a product", hint="give equal ones"
        )
    if a.shape[1] * largest >= 1 << 31:
        raise LimitError(
            f"an inner dimension of {a.shape[1]:,}, and sums of 32 bits hold {((1 << 31) - 1) // largest:,}",
            hint="split it",
        )


def _run(
    module: Any,
    a: Operand,
    b: Operand,
    shifts: Horner | None,
    threads: int,
    target: str,
    *others: np.ndarray,
) -> None:
    if isinstance(a, Patches) and (a.inner or isinstance(b, Patches)):
        a = np.ascontiguousarray(_matrix(a))  # the kernel has no such form
    if isinstance(b, Patches) and not b.inner:
        b = np.ascontiguousarray(_matrix(b))
    geometry = [0] * 13
    given, kinds = [], []
    for operand in (a, b):
        if isinstance(operand, Patches):
            p = operand
            geometry = [*p.image.shape, *p.kernel, p.stride, *p.padding, p.dilation, p.up, *p.out]
            kinds.append(3 if p.inner else 2)
            given.append(np.ascontiguousarray(p.image))
        else:
            kinds.append(1 if isinstance(operand, Inner) else 0)
            given.append(np.ascontiguousarray(operand.values if isinstance(operand, Inner) else operand))
    number = targets().index(target) if target else -1
    sizes = np.array([a.shape[0], b.shape[0], a.shape[1], threads, number, *kinds, *geometry], np.int64)
    order = np.zeros(0, np.int32) if shifts is None else shifts.order
    doublings = np.zeros(0, np.int64) if shifts is None else shifts.doublings
    module.product8(*given, sizes, order, doublings, *others)
