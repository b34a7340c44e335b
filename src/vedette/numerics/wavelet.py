"""Wavelet filter banks by lifting, in floating point: Haar, CDF 5/3, CDF 9/7, lazy; any axis, any length.

A lifting step adds a multiple of the neighbors of the other phase to every second sample; the inverse
takes the same away, so that reconstruction is perfect whatever the factors are. The 9/7's constants are
those of JPEG 2000 (ISO/IEC 15444-1, annex F); the gains make constants grow by sqrt(2) in the low band
of each filter, which is orthonormal for Haar and nearly so for the 9/7 (white noise keeps its energy
within 2 %). For the 5/3 that scaling is ours.
"""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from vedette.errors import InputError, UnknownNameError

Extension = Literal["symmetric", "periodic"]


@dataclass(frozen=True)
class Wavelet:
    """Lifting factors and the gains of the two bands.

    Steps change odd samples and even samples in turn. Each adds its factor times the sum of both
    neighbors; with `pairs` (Haar) an odd sample's only neighbor is the even one before it, and vice versa.
    Factors are numbers, or tensors of one number where a network learns them.
    """

    factors: tuple[Any, ...]
    low_gain: Any
    high_gain: Any
    pairs: bool = False


ROOT_2 = 2**0.5
K = 1.149604398860241
WAVELETS = {
    # low (a + b) / sqrt 2, high (a - b) / sqrt 2
    "haar": Wavelet((-1.0, 0.5), ROOT_2, -1 / ROOT_2, pairs=True),
    "5/3": Wavelet((-0.5, 0.25), ROOT_2, 1 / ROOT_2),
    "9/7": Wavelet((-1.586134342059924, -0.052980118572961, 0.882911075530934, 0.443506852043971), K, 1 / K),
    # even and odd samples as they are: where learned lifting starts when it should start as nothing
    "lazy": Wavelet((0.0, 0.0), 1.0, 1.0),
}


class Bands(NamedTuple):
    """One level in two dimensions: `lh` answers to change along the height, `hl` along the width."""

    ll: Any
    lh: Any
    hl: Any
    hh: Any


def wavelet_of(wavelet: str | Wavelet) -> Wavelet:
    """The wavelet of that name.

    Raises:
        UnknownNameError: there is none.

    >>> len(wavelet_of("9/7").factors)
    4
    """
    if isinstance(wavelet, Wavelet):
        return wavelet
    if wavelet not in WAVELETS:
        raise UnknownNameError("wavelet", wavelet, WAVELETS)
    return WAVELETS[wavelet]


def check_length(length: int, extension: Extension) -> None:
    """Refuse what cannot be split.

    Raises:
        InputError: nothing, or an odd number of samples on a ring.
    """
    if length == 0:
        raise InputError("a signal without samples")
    if extension == "periodic" and length % 2:
        raise InputError(
            f"{length} samples on a ring", hint="the periodic extension needs an even number of them"
        )


def _neighbors(
    number: int, low: np.ndarray, high: np.ndarray, wavelet: Wavelet, extension: Extension
) -> np.ndarray:
    """What step `number` multiplies: sums of neighbors, along the last axis."""
    lows, highs = low.shape[-1], high.shape[-1]
    if number % 2 == 0:
        here = np.arange(highs)
        after = (here + 1) % lows if extension == "periodic" else np.minimum(here + 1, lows - 1)
        return low[..., here] if wavelet.pairs else low[..., here] + low[..., after]
    here = np.arange(lows)
    if wavelet.pairs:
        return np.concatenate([high, np.zeros_like(low[..., highs:])], axis=-1)
    before = (here - 1) % highs if extension == "periodic" else np.maximum(here - 1, 0)
    return high[..., before] + high[..., np.minimum(here, highs - 1)]


def analyze(
    x: Float[np.ndarray, "*n"],
    wavelet: str | Wavelet = "9/7",
    *,
    axis: int = -1,
    extension: Extension = "symmetric",
) -> tuple[Float[np.ndarray, "*low"], Float[np.ndarray, "*high"]]:
    """Low and high band of `x` along `axis`: ceil(n/2) and floor(n/2) samples.

    Args:
        extension: beyond its ends the signal is mirrored about the last sample (whole-sample symmetric,
            as in JPEG 2000), or goes on with the other end.

    Raises:
        InputError: no samples, or an odd number of them on a ring.

    >>> low, high = analyze(np.array([3.0, 3.0, 3.0]), "haar")
    >>> (low / 2**0.5).round(6).tolist(), high.tolist()
    ([3.0, 3.0], [-0.0])
    """
    bank = wavelet_of(wavelet)
    check_length(x.shape[axis], extension)
    moved = np.moveaxis(x, axis, -1)
    low, high = moved[..., ::2].copy(), moved[..., 1::2].copy()
    if high.shape[-1]:
        for number, factor in enumerate(bank.factors):
            change = factor * _neighbors(number, low, high, bank, extension)
            if number % 2 == 0:
                high += change
            else:
                low += change
    return np.moveaxis(low * bank.low_gain, -1, axis), np.moveaxis(high * bank.high_gain, -1, axis)


def synthesize(
    low: Float[np.ndarray, "*low"],
    high: Float[np.ndarray, "*high"],
    wavelet: str | Wavelet = "9/7",
    *,
    axis: int = -1,
    extension: Extension = "symmetric",
) -> Float[np.ndarray, "*n"]:
    """The signal whose bands these are.

    Raises:
        InputError: bands whose lengths do not belong together.

    >>> x = np.arange(7.0)
    >>> np.allclose(synthesize(*analyze(x)), x)
    True
    """
    bank = wavelet_of(wavelet)
    low, high = np.moveaxis(low, axis, -1) / bank.low_gain, np.moveaxis(high, axis, -1) / bank.high_gain
    check_bands(low.shape[-1], high.shape[-1])
    if high.shape[-1]:
        for number, factor in reversed(list(enumerate(bank.factors))):
            change = factor * _neighbors(number, low, high, bank, extension)
            if number % 2 == 0:
                high -= change
            else:
                low -= change
    x = np.empty((*low.shape[:-1], low.shape[-1] + high.shape[-1]), dtype=low.dtype)
    x[..., ::2], x[..., 1::2] = low, high
    return np.moveaxis(x, -1, axis)


def check_bands(low: int, high: int) -> None:
    """Refuse bands that no signal has.

    Raises:
        InputError: lengths that differ by anything but 0 or 1.
    """
    if low - high not in (0, 1):
        raise InputError(f"a low band of {low} and a high band of {high} samples")


def dwt2(x: Float[np.ndarray, "*c h w"], wavelet: str | Wavelet = "9/7") -> Bands:
    """One level in two dimensions: along the width, then the height; borders are mirrored.

    >>> dwt2(np.ones((4, 6)), "haar").ll.round(6).tolist()  # a constant grows by 2
    [[2.0, 2.0, 2.0], [2.0, 2.0, 2.0]]
    """
    low, high = analyze(x, wavelet, axis=-1)
    return Bands(*_rows(low, wavelet), *_rows(high, wavelet))


def _rows(x: np.ndarray, wavelet: str | Wavelet) -> tuple[np.ndarray, np.ndarray]:
    return analyze(x, wavelet, axis=-2)


def idwt2(bands: Bands, wavelet: str | Wavelet = "9/7") -> Float[np.ndarray, "*c h w"]:
    """The array whose bands these are.

    >>> x = np.arange(15.0).reshape(3, 5)
    >>> np.allclose(idwt2(dwt2(x)), x)
    True
    """
    low = synthesize(bands.ll, bands.lh, wavelet, axis=-2)
    high = synthesize(bands.hl, bands.hh, wavelet, axis=-2)
    return synthesize(low, high, wavelet, axis=-1)
