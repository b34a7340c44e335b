"""Integer wavelet lifting on tensors, equal to `numerics.lifting` to the bit.

Samples are int64; the last axis is cut into bands. See the reference for filters and their source.
"""

import torch
from jaxtyping import Int
from torch import Tensor

from vedette.errors import InputError
from vedette.numerics.lifting import LARGEST, LARGEST_BAND, Step, steps_of


def _update(step: Step, odd: bool, low: Tensor, high: Tensor) -> Tensor:
    """What a step adds to the odd (high) or even (low) samples; the signal is mirrored at its ends."""
    if odd:
        after = (
            low[..., 1:] if low.shape[-1] > high.shape[-1] else torch.cat([low[..., 1:], low[..., -1:]], -1)
        )
        pair = low[..., : high.shape[-1]] + after
    else:
        before = torch.cat([high[..., :1], high], dim=-1)[..., : low.shape[-1]]
        after = high if low.shape[-1] == high.shape[-1] else torch.cat([high, high[..., -1:]], dim=-1)
        pair = before + after
    return (pair * step.factor + step.offset) >> step.shift


def analyze(x: Int[Tensor, "*n"], wavelet: str = "5/3") -> tuple[Int[Tensor, "*low"], Int[Tensor, "*high"]]:
    """Low and high band of `x` along its last axis: ceil(n/2) and floor(n/2) samples.

    Raises:
        InputError: no samples, or one above 2^40 in magnitude.

    >>> low, high = analyze(torch.tensor([1, 2, 3, 4, 5]))
    >>> low.tolist(), high.tolist()
    ([1, 3, 5], [0, 0])
    """
    if x.shape[-1] == 0:
        raise InputError("a signal without samples")
    if x.numel() and max(int(x.max()), -int(x.min())) > LARGEST:
        raise InputError("a sample above 2^40 in magnitude", hint="requantize it first")
    low, high = x.long()[..., ::2], x.long()[..., 1::2]
    if high.shape[-1]:
        for number, step in enumerate(steps_of(wavelet)):
            if number % 2 == 0:
                high = high + _update(step, True, low, high)
            else:
                low = low + _update(step, False, low, high)
    return low, high


def synthesize(
    low: Int[Tensor, "*low"], high: Int[Tensor, "*high"], wavelet: str = "5/3"
) -> Int[Tensor, "*n"]:
    """The signal whose bands these are: exactly what `analyze` was given.

    Raises:
        InputError: bands whose lengths do not belong together, or a value above 2^45 in magnitude.

    >>> synthesize(torch.tensor([1, 3, 5]), torch.tensor([0, 0])).tolist()
    [1, 2, 3, 4, 5]
    """
    if low.shape[-1] - high.shape[-1] not in (0, 1):
        raise InputError(f"a low band of {low.shape[-1]} and a high band of {high.shape[-1]} samples")
    if any(b.numel() and max(int(b.max()), -int(b.min())) > LARGEST_BAND for b in (low, high)):
        raise InputError("a band above 2^45 in magnitude", hint="no samples within 2^40 have such bands")
    if high.shape[-1]:
        for number, step in reversed(list(enumerate(steps_of(wavelet)))):
            if number % 2 == 0:
                high = high - _update(step, True, low, high)
            else:
                low = low - _update(step, False, low, high)
    x = low.new_empty((*low.shape[:-1], low.shape[-1] + high.shape[-1]))
    x[..., ::2], x[..., 1::2] = low, high
    return x
