"""Integer operators on tensors, exact in any order of summation: what may decide bytes.

Each gives, to the bit, what its NumPy reference in `vedette.numerics` gives, on any thread count,
library, processor, memory layout and batch. Convolution runs in floating point, which is quick and is
exact while no partial sum outgrows the mantissa; `certify` says which carrier that is true for.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor
from torch.nn import functional

from vedette.errors import InputError
from vedette.numerics.fixed import Shift
from vedette.numerics.integer import ROOT_MAX, check_gdn, worst_sum

Carrier = Literal["float32", "split", "float64"]
SINGLE, DOUBLE = 2**24, 2**53  # below these every integer is exact in float32 and float64


def _array(integers: Tensor) -> np.ndarray:
    return integers.detach().cpu().numpy().astype(np.int64)


def largest(x: Shaped[Tensor, "*shape"]) -> int:
    """The largest magnitude among the integers of `x`; 0 of nothing.

    >>> largest(torch.tensor([3.0, -7.0]))
    7
    """
    return max(int(x.max().item()), -int(x.min().item())) if x.numel() else 0


def split_bits(weight: Shaped[Tensor, "o i kh kw"]) -> int:
    """Bits of the low part of an activation, as many as any filter's float32 sum allows.

    >>> split_bits(torch.full((1, 64, 3, 3), 127, dtype=torch.int32))  # sum |w| = 73152
    7
    """
    taps = max(
        1, int(weight.double().abs().sum(dim=(1, 2, 3)).max())
    )  # every call pays for this: no Python sums
    return max(0, ((SINGLE - 1) // taps + 1).bit_length() - 1)  # taps (2^bits - 1) < 2^24


def certify(
    weight: Int[Tensor, "o i kh kw"], bias: Int[Tensor, " o"] | None, act_max: int | Sequence[int]
) -> Carrier:
    """The quickest carrier in which every partial sum of the convolution is exact.

    "float32" if the largest filter's sum |w| * act_max + |b| is below 2^24; "split" if activations cut
    into high and low bits each stay below it; else "float64", below 2^53.

    Args:
        act_max: largest magnitude of the activations, one for all or one for each input channel.

    Raises:
        InputError: sums that outgrow float64.

    >>> certify(torch.full((1, 2, 3, 3), 127, dtype=torch.int32), None, 1023)
    'float32'
    """
    integers, biases = _array(weight), None if bias is None else _array(bias)
    worst = worst_sum(integers, biases, act_max)
    if worst < SINGLE:
        return "float32"
    if worst >= DOUBLE:
        raise InputError(f"sums up to {worst} outgrow 53 bits", hint="use narrower weights or activations")
    bits = split_bits(weight)
    most = act_max if isinstance(act_max, int) else max(act_max)
    high = -(-most >> bits)  # a negative activation's high part is rounded away from zero
    return "split" if bits and worst_sum(integers, None, high) < SINGLE else "float64"


def _conv(x: Tensor, weight: Tensor, bias: Tensor | None, dtype: torch.dtype, **where: int) -> Tensor:
    if x.device.type == "cpu":
        floats = None if bias is None else bias.to(dtype)
        return functional.conv2d(x.to(dtype), weight.to(dtype), floats, **where)
    # Elsewhere the algorithm is the library's choice: float64 without cuDNN rules out TF32 and Winograd.
    floats = None if bias is None else bias.double()
    with torch.backends.cudnn.flags(enabled=False, allow_tf32=False):
        return functional.conv2d(x.double(), weight.double(), floats, **where).to(dtype)


def conv2d_exact(
    x: Shaped[Tensor, "b i h w"],
    weight: Shaped[Tensor, "o i kh kw"],
    bias: Shaped[Tensor, " o"] | None = None,
    *,
    stride: int = 1,
    padding: int = 0,
    carrier: Carrier,
) -> Float[Tensor, "b o h2 w2"]:
    """Convolution of integers: float32 from the carrier "float32", float64 from the other two.

    The sums are exact while `x` keeps to the `act_max` that `certify` chose the carrier for.

    Args:
        x, weight, bias: integers, in any dtype; no time is lost where it is the carrier's.

    >>> x, weight = torch.ones(1, 1, 3, 3), torch.ones(1, 1, 3, 3, dtype=torch.int32)
    >>> conv2d_exact(x, weight, padding=1, carrier="float32")[0, 0, 0].tolist()
    [4.0, 6.0, 4.0]
    """
    if carrier != "split":
        dtype = torch.float32 if carrier == "float32" else torch.float64
        return _conv(x, weight, bias, dtype, stride=stride, padding=padding)
    step = 2.0 ** split_bits(weight)
    x = x if x.is_floating_point() else x.double()
    high = torch.floor(x / step)
    low = x - high * step
    upper = _conv(high, weight, None, torch.float32, stride=stride, padding=padding).double()
    lower = _conv(low, weight, None, torch.float32, stride=stride, padding=padding).double()
    total = upper * step + lower
    return total if bias is None else total + bias.double()[:, None, None]


def requantize(
    total: Shaped[Tensor, "*shape"], shift: Shift, low: int, high: int
) -> Shaped[Tensor, "*shape"]:
    """floor(total / 2^shift + 1/2), clamped to low..high; the dtype stays.

    Args:
        shift: 0..24 in float32, 0..53 in float64, 0..62 for integers; one, or one for each channel.

    Raises:
        InputError: a shift outside, or limits the dtype cannot hold.

    >>> requantize(torch.tensor([10.0, 600.0, -6.0]), 2, -1, 127).tolist()
    [3.0, 127.0, -1.0]
    """
    shifts = torch.as_tensor(shift, device=total.device)
    most = {torch.float32: 24, torch.float64: 53}.get(total.dtype, 62)
    if shifts.min() < 0 or shifts.max() > most:
        raise InputError(f"shifts up to {int(shifts.max())} of {total.dtype}", hint=f"use 0 to {most}")
    if low > high or (total.is_floating_point() and max(-low, high) > 2**most):
        raise InputError(f"limits {low} to {high} for {total.dtype}")
    if shifts.ndim:
        shifts = shifts[:, None, None]
    if not total.is_floating_point():
        return _shift_round(total, shifts).clamp(low, high)
    # Adding half before the division may round, but never across a multiple of 2^shift (shift <= mantissa).
    half = torch.where(shifts > 0, torch.exp2(shifts.to(total.dtype) - 1), 0)
    return torch.floor((total + half) * torch.exp2(-shifts.to(total.dtype))).clamp_(low, high)


def _shift_round(integers: Tensor, shifts: Tensor) -> Tensor:
    below = (integers >> (shifts - 1).clamp(min=0)) & 1
    return (integers >> shifts) + torch.where(shifts > 0, below, 0)


def product(a: Shaped[Tensor, "*shape"], b: Shaped[Tensor, "*shape"], shift: int) -> Int[Tensor, "*shape"]:
    """a * b / 2^shift in int64, ties upward.

    Raises:
        InputError: a product that could leave int64.

    >>> product(torch.tensor([3, -3]), torch.tensor([5, 5]), 1).tolist()
    [8, -7]
    """
    if largest(a) * largest(b) >= 2**63:
        raise InputError("a product could exceed 63 bits", hint="requantize the factors first")
    return _shift_round(a.long() * b.long(), torch.tensor(shift, device=a.device))


def lookup(x: Shaped[Tensor, "*shape"], table: Int[Tensor, " n"], *, first: int = 0) -> Int[Tensor, "*shape"]:
    """table[x - first]; beyond either end the end's entry.

    >>> lookup(torch.tensor([-5.0, 0.0, 9.0]), torch.tensor([10, 20, 30]), first=-1).tolist()
    [10, 20, 30]
    """
    if len(table) == 0:
        raise InputError("a table without entries")
    return table[x.long().clamp(first, first + len(table) - 1) - first]


def isqrt(n: Int[Tensor, "*shape"]) -> Int[Tensor, "*shape"]:
    """floor(sqrt(n)) of 64-bit integers, exact for 0..2^62.

    Raises:
        InputError: a number below 0 or above 2^62.

    >>> isqrt(torch.tensor([0, 8, 9, 2**62 - 1])).tolist()
    [0, 2, 3, 2147483647]
    """
    if n.numel() and (n.min() < 0 or n.max() > ROOT_MAX):
        raise InputError(f"roots of {int(n.min())} to {int(n.max())}", hint="isqrt takes 0 to 2^62")
    wide = n.long()
    root = wide.double().sqrt().long()
    root -= (root * root > wide).long()
    return root + ((root + 1) * (root + 1) <= wide).long()


def gdn_exact(
    x: Shaped[Tensor, "b c h w"],
    beta: Int[Tensor, " c"],
    gamma: Int[Tensor, "c c"],
    *,
    shift: int,
    inverse: bool = False,
) -> Int[Tensor, "b c h w"]:
    """Integer GDN or IGDN, as `numerics.gdn` defines it, in int64.

    >>> x = torch.tensor([3, 4]).reshape(1, 2, 1, 1)
    >>> gdn_exact(x, torch.tensor([11, 24]), torch.tensor([[1, 1], [0, 0]]), shift=4).flatten().tolist()
    [8, 16]
    """
    norm = check_gdn(largest(x), _array(beta), _array(gamma), shift)
    x = x.long()
    squares, c = x * x, len(beta)
    if norm < DOUBLE:
        total = conv2d_exact(squares, gamma.reshape(c, c, 1, 1), beta, carrier="float64").long()
    else:  # no device multiplies int64 matrices as well as floats: one output channel at a time
        sums = [(squares * row[:, None, None]).sum(dim=1) for row in gamma.long()]
        total = torch.stack(sums, dim=1) + beta.long()[:, None, None]
    root = isqrt(total)
    if inverse:
        return _shift_round(x * root, torch.tensor(shift, device=x.device))
    return torch.div((x << (shift + 1)) + root, 2 * root, rounding_mode="floor")
