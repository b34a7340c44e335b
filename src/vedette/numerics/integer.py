"""Integer operators of a network, bit-true in int64: convolution, requantize, product, root, GDN.

These are the references: any other implementation (float-carried, C++, hardware) must agree to the bit.
An operator whose sums might not fit refuses the input; nothing wraps around.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64
from numpy.lib.stride_tricks import sliding_window_view

from vedette.errors import InputError
from vedette.numerics.fixed import Shift, shift_round

ROOT_MAX = 1 << 62  # the largest integer whose root `isqrt` takes


def worst_sum(
    weight: Int64[np.ndarray, "o i kh kw"],
    bias: Int64[np.ndarray, " o"] | None,
    act_max: int | Sequence[int],
) -> int:
    """The largest magnitude any partial sum can reach: max over filters of sum |w| * act_max + |b|.

    Args:
        act_max: largest magnitude of the activations, one for all or one for each input channel.

    >>> worst_sum(np.array([[[[3, -4]]]]), np.array([5]), 10)
    75
    """
    limits = np.asarray(act_max, dtype=object)
    if limits.ndim and limits.shape != (weight.shape[1],):
        raise InputError(f"{limits.size} activation limits for {weight.shape[1]} input channels")
    if not limits.ndim:
        limits = np.full(weight.shape[1], int(limits.item()), dtype=object)
    taps = np.abs(weight.astype(object)).sum(axis=(2, 3))  # Python integers: they cannot overflow
    totals = (taps * limits).sum(axis=1)
    if bias is not None:
        totals = totals + np.abs(bias.astype(object))
    return int(max(totals))


def largest(integers: Int64[np.ndarray, "*shape"]) -> int:
    """The largest magnitude; 0 of nothing.

    >>> largest(np.array([3, -7]))
    7
    """
    return max(int(integers.max()), -int(integers.min())) if integers.size else 0


def conv2d(
    x: Int64[np.ndarray, "b i h w"],
    weight: Int64[np.ndarray, "o i kh kw"],
    bias: Int64[np.ndarray, " o"] | None = None,
    *,
    stride: int = 1,
    padding: int = 0,
) -> Int64[np.ndarray, "b o h2 w2"]:
    """Cross-correlation as torch's conv2d does it, zeros around the image.

    Raises:
        InputError: a sum that could leave int64, or a kernel larger than the padded image.

    >>> conv2d(np.ones((1, 1, 3, 3), np.int64), np.ones((1, 1, 3, 3), np.int64), padding=1)[0, 0].tolist()
    [[4, 6, 4], [6, 9, 6], [4, 6, 4]]
    """
    height, width = weight.shape[2:]
    if min(x.shape[2] + 2 * padding - height, x.shape[3] + 2 * padding - width) < 0:
        raise InputError(f"a {height}x{width} kernel on an image of {x.shape[2]}x{x.shape[3]}")
    if worst_sum(weight, bias, largest(x)) >= 2**63:
        raise InputError("a sum could exceed 63 bits", hint="use narrower weights or activations")
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    views = sliding_window_view(padded, (height, width), axis=(2, 3))[:, :, ::stride, ::stride]
    total: np.ndarray = np.moveaxis(np.tensordot(views, weight, axes=((1, 4, 5), (1, 2, 3))), -1, 1)
    return total if bias is None else total + bias[:, None, None]


def requantize(
    total: Int64[np.ndarray, "*shape"], shift: Shift, low: int, high: int
) -> Int64[np.ndarray, "*shape"]:
    """A sum brought to the next layer's format: divided by 2^shift, ties upward, clamped to low..high.

    >>> requantize(np.array([10, 600, -6]), 2, -1, 127).tolist()
    [3, 127, -1]
    """
    if low > high:
        raise InputError(f"the least value {low} is above the greatest, {high}")
    clipped: np.ndarray = np.clip(shift_round(total, shift), low, high)
    return clipped


def product(
    a: Int64[np.ndarray, "*shape"], b: Int64[np.ndarray, "*shape"], shift: Shift
) -> Int64[np.ndarray, "*shape"]:
    """a * b / 2^shift, ties upward: two activations multiplied.

    Raises:
        InputError: a product that could leave int64.

    >>> product(np.array([3, -3]), np.array([5, 5]), 1).tolist()
    [8, -7]
    """
    if largest(a) * largest(b) >= 2**63:
        raise InputError("a product could exceed 63 bits", hint="requantize the factors first")
    return shift_round(a * b, shift)


def isqrt(n: Int64[np.ndarray, "*shape"]) -> Int64[np.ndarray, "*shape"]:
    """floor(sqrt(n)), exact for 0..2^62.

    The float root is off by at most one there; two integer comparisons put it right.

    Raises:
        InputError: a number below 0 or above 2^62.

    >>> isqrt(np.array([0, 8, 9, 2**62 - 1])).tolist()
    [0, 2, 3, 2147483647]
    """
    if n.size and (n.min() < 0 or n.max() > ROOT_MAX):
        raise InputError(f"roots of {n.min()} to {n.max()}", hint="isqrt takes 0 to 2^62")
    root = np.sqrt(n.astype(np.float64)).astype(np.int64)
    root -= root * root > n
    return root + ((root + 1) * (root + 1) <= n)


def check_gdn(x_max: int, beta: Int64[np.ndarray, " c"], gamma: Int64[np.ndarray, "c c"], shift: int) -> int:
    """The largest norm that GDN can meet for activations up to `x_max`, once all of it fits int64.

    Raises:
        InputError: beta below 1, a negative gamma, or a value that could leave its range.

    >>> check_gdn(3, np.array([1]), np.array([[2]]), 0)
    19
    """
    if beta.min() < 1 or gamma.min() < 0:
        raise InputError("GDN needs beta of at least 1 and no negative gamma")
    if not 0 <= shift <= 30:
        raise InputError(f"GDN with a shift of {shift}", hint="use 0 to 30")
    norm = worst_sum(gamma[:, :, None, None], beta, x_max * x_max)
    if norm > ROOT_MAX or x_max << (shift + 1) >= 2**62 or x_max * x_max * norm >= 2**124:
        raise InputError(f"GDN of activations up to {x_max} could exceed 62 bits", hint="use fewer bits")
    return norm


def gdn(
    x: Int64[np.ndarray, "b c h w"],
    beta: Int64[np.ndarray, " c"],
    gamma: Int64[np.ndarray, "c c"],
    *,
    shift: int,
    inverse: bool = False,
) -> Int64[np.ndarray, "b c h w"]:
    """Generalized divisive normalization (Balle et al., arXiv 1511.06281) in integers, ties upward.

    With root_i = isqrt(beta_i + sum_j gamma_ij x_j^2), the result is x_i 2^shift / root_i; the inverse
    layer (IGDN) is x_i root_i / 2^shift. For x with f and gamma with 2 g fractional bits, beta has
    2 f + 2 g, the root has f + g, and the result of GDN has shift - g, of IGDN 2 f + g - shift.

    Raises:
        InputError: beta below 1, a negative gamma, or activations so large that int64 could overflow.

    >>> x = np.array([3, 4]).reshape(1, 2, 1, 1)
    >>> gdn(x, np.array([11, 24]), np.array([[1, 1], [0, 0]]), shift=4).ravel().tolist()  # roots 6 and 4
    [8, 16]
    """
    check_gdn(largest(x), beta, gamma, shift)
    root = isqrt(conv2d(x * x, gamma[:, :, None, None], beta))
    if inverse:
        return shift_round(x * root, shift)
    quotient: np.ndarray = ((x << (shift + 1)) + root) // (2 * root)
    return quotient
