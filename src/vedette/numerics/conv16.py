"""Convolutions of 16-bit integers with exact 32-bit sums: the NumPy reference and the compiled kernel.

Sums are modulo 2^32, so that they are exact in any order where each filter's sum |w| * largest input + |b|
stays below 2^31. The kernel multiplies and adds pairs of channels by one instruction, twice as many as
float32 has: AVX-512 VNNI, AVX2, or plain C++, as the processor has them; the results are the same.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Int16, Int32

from vedette.errors import InputError
from vedette.numerics.compiled import compiled
from vedette.numerics.integer import conv2d
from vedette.numerics.pool import RESULTS

TARGETS = ("plain", "avx2", "avx512vnni")


@dataclass(frozen=True, eq=False)
class Packed:
    """Weights in the order the kernel reads them in; without the kernel, as they are."""

    values: Int16[np.ndarray, "..."]
    outputs: int
    inputs: int
    kernel: int


def pack(weight: Int16[np.ndarray, "o i k k"]) -> Packed:
    """Weights (outputs, inputs, k, k) for `convolve`; k is odd.

    Raises:
        InputError: a kernel with an even side.

    >>> pack(np.ones((20, 3, 1, 1), np.int16)).outputs
    20
    """
    outputs, inputs, side, _ = weight.shape
    if side % 2 == 0:
        raise InputError(f"a kernel of {side} x {side}", hint="its side must be odd")
    module = kernel()
    if module is None:
        return Packed(weight, outputs, inputs, side)
    sizes = np.array([outputs, inputs, side], np.int64)
    values = np.empty(module.conv16_packed(sizes), np.int16)
    module.conv16_pack(np.ascontiguousarray(weight), sizes, values)
    return Packed(values, outputs, inputs, side)


def reference(
    x: Float32[np.ndarray, "b h w i"],
    weight: Int16[np.ndarray, "o i k k"],
    bias: Int32[np.ndarray, " o"],
    shifts: Int32[np.ndarray, " o"],
    low: int,
    high: int,
) -> Float32[np.ndarray, "b h w o"]:
    """What `convolve` gives, in int64.

    >>> x, one = np.full((1, 1, 1, 2), 3, np.float32), np.ones((1, 2, 1, 1), np.int16)
    >>> reference(x, one, np.array([1], np.int32), np.array([1], np.int32), -9, 9).item()  # (6 + 1) >> 1
    3.0
    """
    planes = x.astype(np.int64).transpose(0, 3, 1, 2)
    sums = conv2d(planes, weight.astype(np.int64), padding=weight.shape[-1] // 2)
    shifted = (sums + bias[:, None, None]) >> shifts[:, None, None].astype(np.int64)
    return shifted.clip(low, high).transpose(0, 2, 3, 1).astype(np.float32)


def convolve(
    x: Float32[np.ndarray, "b h w i"],
    packed: Packed,
    bias: Int32[np.ndarray, " o"],
    shifts: Int32[np.ndarray, " o"],
    low: int,
    high: int,
    *,
    threads: int = 1,
    target: str = "",
) -> Float32[np.ndarray, "b h w o"]:
    """floor((sum + bias) / 2^shift) within low..high; stride 1, zeros around, the size stays.

    Args:
        x: integers within 16 bits, held in float32; it may be a view of (b, i, h, w) at no cost.
        shifts: 0..31, one for each output.
        low, high: within 2^24, so that float32 holds every result.
        target: one of `targets()`; the fastest by default.

    >>> x, one = np.full((1, 1, 1, 2), 3, np.float32), np.ones((1, 2, 1, 1), np.int16)
    >>> convolve(x, pack(one), np.array([1], np.int32), np.array([1], np.int32), -9, 9).item()
    3.0
    """
    module = kernel()
    if module is None:
        return reference(x, packed.values, bias, shifts, low, high)
    number = TARGETS.index(target) if target else -1
    shape = (*x.shape, packed.outputs, packed.kernel)
    out = RESULTS.empty((*x.shape[:3], packed.outputs), np.float32)
    turned = x.transpose(0, 3, 1, 2)
    planes = turned.flags.c_contiguous and not x.flags.c_contiguous
    sizes = np.array([*shape, low, high, threads, number, planes], np.int64)
    module.conv16(np.ascontiguousarray(turned if planes else x), packed.values, bias, shifts, sizes, out)
    return out


def kernel() -> Any:
    """The compiled module, or None."""
    return compiled("conv16")


def targets() -> tuple[str, ...]:
    """What the kernel can use on this processor, the fastest last."""
    module = kernel()
    return TARGETS[: module.conv16_targets()] if module is not None else ()
