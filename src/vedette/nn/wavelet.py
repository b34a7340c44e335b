"""Wavelets on tensors: in one to three dimensions, several levels; differentiable, or exact in integers.

The filter banks are those of `vedette.numerics.wavelet`. With `fixed`, samples are integers (held in
float64) and each step and gain is a fixed-point number of 14 fractional bits, rounded to the nearest
integer with ties upward: exact on every machine, for what decides bytes. Steps of the 5/3 and 9/7 are
then those of `vedette.numerics.lifting`, to the bit.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from vedette.errors import InputError
from vedette.numerics.wavelet import (
    Bands,
    Extension,
    Wavelet,
    check_bands,
    check_length,
    wavelet_of,
)

FIXED_FRAC = 14


def _scaled(x: Tensor, factor: float | Tensor, fixed: bool) -> Tensor:
    """factor * x; with `fixed` in integers."""
    if not fixed:
        return x * factor
    integer = round(float(factor) * 2**FIXED_FRAC)
    return torch.floor(x * integer * 2.0**-FIXED_FRAC + 0.5)


def _neighbors(
    number: int, low: Tensor, high: Tensor, wavelet: Wavelet, dim: int, extension: Extension
) -> Tensor:
    """What step `number` multiplies: sums of neighbors of the samples it changes."""
    lows, highs = low.shape[dim], high.shape[dim]
    if number % 2 == 0:
        here = low.narrow(dim, 0, highs)
        if wavelet.pairs:
            return here
        if lows > highs:
            return here + low.narrow(dim, 1, highs)
        end = low.narrow(dim, 0 if extension == "periodic" else lows - 1, 1)
        return here + torch.cat([low.narrow(dim, 1, lows - 1), end], dim)
    if wavelet.pairs:
        missing = low.narrow(dim, highs, lows - highs)
        return torch.cat([high, torch.zeros_like(missing)], dim) if lows > highs else high
    end = high.narrow(dim, highs - 1 if extension == "periodic" else 0, 1)
    if lows > highs:
        return torch.cat([end, high], dim) + torch.cat([high, high.narrow(dim, highs - 1, 1)], dim)
    return torch.cat([end, high.narrow(dim, 0, highs - 1)], dim) + high


def _phase(x: Tensor, dim: int, first: int) -> Tensor:
    index = [slice(None)] * x.ndim
    index[dim] = slice(first, None, 2)
    return x[tuple(index)]


def analyze(
    x: Shaped[Tensor, "*n"],
    wavelet: str | Wavelet = "9/7",
    *,
    dim: int = -1,
    extension: Extension = "symmetric",
    fixed: bool = False,
) -> tuple[Shaped[Tensor, "*low"], Shaped[Tensor, "*high"]]:
    """Low and high band of `x` along `dim`: ceil(n/2) and floor(n/2) samples.

    Args:
        extension: beyond its ends the signal is mirrored about the last sample, or is a ring.
        fixed: integers in, integers out.

    Raises:
        InputError: no samples, or an odd number of them on a ring.

    >>> low, high = analyze(torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0]), "5/3")
    >>> high.abs().max().item()  # blind to ramps
    0.0
    """
    bank = wavelet_of(wavelet)
    check_length(x.shape[dim], extension)
    low, high = _phase(x, dim, 0), _phase(x, dim, 1)
    if high.shape[dim]:
        for number, factor in enumerate(bank.factors):
            change = _scaled(_neighbors(number, low, high, bank, dim, extension), factor, fixed)
            if number % 2 == 0:
                high = high + change
            else:
                low = low + change
    return _scaled(low, bank.low_gain, fixed), _scaled(high, bank.high_gain, fixed)


def synthesize(
    low: Shaped[Tensor, "*low"],
    high: Shaped[Tensor, "*high"],
    wavelet: str | Wavelet = "9/7",
    *,
    dim: int = -1,
    extension: Extension = "symmetric",
    fixed: bool = False,
) -> Shaped[Tensor, "*n"]:
    """The signal whose bands these are; with `fixed`, but for the rounding of the gains.

    Raises:
        InputError: bands whose lengths do not belong together.

    >>> x = torch.arange(7.0)
    >>> torch.allclose(synthesize(*analyze(x)), x, atol=1e-5)
    True
    """
    bank = wavelet_of(wavelet)
    check_bands(low.shape[dim], high.shape[dim])
    low, high = _scaled(low, 1 / bank.low_gain, fixed), _scaled(high, 1 / bank.high_gain, fixed)
    if high.shape[dim]:
        for number, factor in reversed(list(enumerate(bank.factors))):
            change = _scaled(_neighbors(number, low, high, bank, dim, extension), factor, fixed)
            if number % 2 == 0:
                high = high - change
            else:
                low = low - change
    return _interleave(low, high, dim)


def _interleave(low: Tensor, high: Tensor, dim: int) -> Tensor:
    dim %= low.ndim
    paired = min(low.shape[dim], high.shape[dim])
    x = torch.stack([low.narrow(dim, 0, paired), high], dim + 1).flatten(dim, dim + 1)
    return torch.cat([x, low.narrow(dim, paired, 1)], dim) if low.shape[dim] > paired else x


def dwt2(x: Shaped[Tensor, "*c h w"], wavelet: str | Wavelet = "9/7", *, fixed: bool = False) -> Bands:
    """One level in two dimensions; borders are mirrored.

    >>> dwt2(torch.ones(1, 1, 4, 4), "haar").ll.shape
    torch.Size([1, 1, 2, 2])
    """
    low, high = analyze(x, wavelet, dim=-1, fixed=fixed)
    ll, lh = analyze(low, wavelet, dim=-2, fixed=fixed)
    return Bands(ll, lh, *analyze(high, wavelet, dim=-2, fixed=fixed))


def idwt2(bands: Bands, wavelet: str | Wavelet = "9/7", *, fixed: bool = False) -> Shaped[Tensor, "*c h w"]:
    """The tensor whose bands these are.

    >>> x = torch.rand(2, 3, 5)
    >>> torch.allclose(idwt2(dwt2(x)), x, atol=1e-5)
    True
    """
    low = synthesize(bands.ll, bands.lh, wavelet, dim=-2, fixed=fixed)
    high = synthesize(bands.hl, bands.hh, wavelet, dim=-2, fixed=fixed)
    return synthesize(low, high, wavelet, dim=-1, fixed=fixed)


def decompose(
    x: Shaped[Tensor, "*c h w"], levels: int, wavelet: str | Wavelet = "9/7"
) -> tuple[Shaped[Tensor, "*c a b"], list[Bands]]:
    """The last low band, and the bands of each level, finest first (their `ll` was split further).

    >>> low, bands = decompose(torch.rand(1, 3, 21, 8), 2)
    >>> low.shape, bands[0].hl.shape
    (torch.Size([1, 3, 6, 2]), torch.Size([1, 3, 11, 4]))
    """
    bands = []
    for _ in range(levels):
        bands.append(dwt2(x, wavelet))
        x = bands[-1].ll
    return x, bands


def recompose(
    low: Shaped[Tensor, "*c a b"], bands: Sequence[Bands], wavelet: str | Wavelet = "9/7"
) -> Shaped[Tensor, "*c h w"]:
    """The tensor that `decompose` took apart.

    >>> x = torch.rand(1, 3, 21, 8)
    >>> torch.allclose(recompose(*decompose(x, 2)), x, atol=1e-5)
    True
    """
    for level in reversed(bands):
        low = idwt2(level._replace(ll=low), wavelet)
    return low


def dwt3(
    x: Shaped[Tensor, "b c h w"], wavelet: str | Wavelet = "9/7", *, fixed: bool = False
) -> tuple[Bands, Bands]:
    """One level in three dimensions: channels (as a ring) are split first, then each half in space.

    >>> low, high = dwt3(torch.rand(1, 6, 4, 4))
    >>> low.ll.shape, high.hh.shape
    (torch.Size([1, 3, 2, 2]), torch.Size([1, 3, 2, 2]))
    """
    low, high = analyze(x, wavelet, dim=1, extension="periodic", fixed=fixed)
    return dwt2(low, wavelet, fixed=fixed), dwt2(high, wavelet, fixed=fixed)


def idwt3(
    low: Bands, high: Bands, wavelet: str | Wavelet = "9/7", *, fixed: bool = False
) -> Shaped[Tensor, "b c h w"]:
    """The tensor whose bands these are.

    >>> x = torch.rand(1, 6, 5, 7)
    >>> torch.allclose(idwt3(*dwt3(x)), x, atol=1e-5)
    True
    """
    halves = (idwt2(low, wavelet, fixed=fixed), idwt2(high, wavelet, fixed=fixed))
    return synthesize(*halves, wavelet, dim=1, extension="periodic", fixed=fixed)


class Lifting(nn.Module):
    """A wavelet as part of a network; with `learn` its factors and gains are parameters that start there.

    Reconstruction stays perfect whatever is learned. (Learnable lifting from the 9/7 is an idea of ChWDTA,
    arXiv 2606.00111.)

    Args:
        wavelet: a name of `vedette.numerics.wavelet.WAVELETS`.
        learn: make it a parameter.
        channel_pairs: learn a factor and a gain for each of so many pairs of channels, for use along them;
            None: one for all, for any axis.

    >>> sum(p.numel() for p in Lifting("9/7", learn=True).parameters())
    6
    >>> lifting = Lifting("lazy", learn=True, channel_pairs=3)
    >>> low, high = analyze(torch.rand(1, 6, 2, 2), lifting.wavelet, dim=1, extension="periodic")
    >>> low.shape
    torch.Size([1, 3, 2, 2])
    """

    def __init__(
        self, wavelet: str = "9/7", *, learn: bool = False, channel_pairs: int | None = None
    ) -> None:
        super().__init__()
        self.name = wavelet
        bank = wavelet_of(wavelet)
        self.start = bank
        self.learned: nn.Parameter | None = None
        if learn:
            values = torch.tensor([*bank.factors, bank.low_gain, bank.high_gain])
            if channel_pairs is not None:
                values = values[:, None, None, None].repeat(1, channel_pairs, 1, 1)
            self.learned = nn.Parameter(values)

    @property
    def wavelet(self) -> Wavelet:
        """The filter bank as it stands."""
        if self.learned is None:
            return self.start
        *factors, low_gain, high_gain = self.learned.unbind()
        return Wavelet(tuple(factors), low_gain, high_gain, self.start.pairs)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 4*c h2 w2"]:
        """One level of an even-sided map, bands behind one another: LL, LH, HL, HH."""
        if x.shape[-1] % 2 or x.shape[-2] % 2:
            size = f"{x.shape[-2]} x {x.shape[-1]}"
            raise InputError(f"a map of {size}", hint="bands behind one another need even sides")
        return torch.cat(dwt2(x, self.wavelet), dim=1)

    def inverse(self, bands: Float[Tensor, "b c4 h w"]) -> Float[Tensor, "b c h2 w2"]:
        """The map whose bands, behind one another, these are."""
        return idwt2(Bands(*bands.chunk(4, dim=1)), self.wavelet)
