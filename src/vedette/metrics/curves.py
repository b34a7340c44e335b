"""Rate-distortion curves of codecs, and how one stands to another."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from vedette.errors import InputError
from vedette.metrics.bd import bd_rate


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One codec on one set: a value per setting, by rising rate; tuples are empty where unknown.

    Attributes:
        bpp: bits per pixel of the whole file, mean over images.
        psnr_db: mean over images of the PSNR of 8-bit RGB, dB.
        ms_ssim: mean over images, 0..1.
        encode_s, decode_s: wall-clock seconds, median over images.
    """

    name: str
    label: str
    settings: tuple[float, ...] = ()
    bpp: tuple[float, ...]
    psnr_db: tuple[float, ...]
    ms_ssim: tuple[float, ...] = ()
    encode_s: tuple[float, ...] = ()
    decode_s: tuple[float, ...] = ()

    @property
    def ms_ssim_db(self) -> tuple[float, ...]:
        """-10 log10(1 - m) of the mean MS-SSIM m, which is how published curves are compared.

        >>> Curve(name="a", label="", bpp=(1.0,), psnr_db=(40.0,), ms_ssim=(0.5,)).ms_ssim_db[0]
        3.010299956639812
        """
        return tuple(-10 * math.log10(1 - m) if m < 1 else math.inf for m in self.ms_ssim)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """BD-rate of `codec` against `anchor`, percent, negative where `codec` needs fewer bits.

    None where the curves share no quality, or MS-SSIM is unknown. `psnr_overlap_db` is the range of PSNR
    on which the figure rests.
    """

    codec: str
    anchor: str
    psnr_percent: float | None
    ms_ssim_percent: float | None
    psnr_overlap_db: tuple[float, float] | None


def compare(codec: Curve, anchor: Curve) -> Comparison:
    """BD-rates of one curve against another, by PSNR and by MS-SSIM in dB.

    >>> a = Curve(name="a", label="", bpp=(0.1, 0.2, 0.4), psnr_db=(30.0, 33.0, 36.0))
    >>> b = Curve(name="b", label="", bpp=(0.2, 0.4, 0.8), psnr_db=(30.0, 33.0, 36.0))
    >>> round(compare(a, b).psnr_percent, 6)
    -50.0
    """
    ours, theirs = rising(codec.bpp, codec.psnr_db)[1], rising(anchor.bpp, anchor.psnr_db)[1]
    shared = (max(ours[0], theirs[0]), min(ours[-1], theirs[-1])) if ours and theirs else (0.0, 0.0)
    return Comparison(
        codec=codec.name,
        anchor=anchor.name,
        psnr_percent=_bd(codec.bpp, codec.psnr_db, anchor.bpp, anchor.psnr_db),
        ms_ssim_percent=_bd(codec.bpp, codec.ms_ssim_db, anchor.bpp, anchor.ms_ssim_db),
        psnr_overlap_db=shared if shared[0] < shared[1] else None,
    )


def rising(bpp: Sequence[float], quality_db: Sequence[float]) -> tuple[list[float], list[float]]:
    """The points of a curve by rate, without those that cost more bits for no more quality.

    Encoders do have such settings, and a curve that turns back has no inverse. Infinite qualities go too.

    >>> rising((0.2, 0.1, 0.3), (33.0, 30.0, 32.9))
    ([0.1, 0.2], [30.0, 33.0])
    """
    rates: list[float] = []
    qualities: list[float] = []
    for rate, quality in sorted(zip(bpp, quality_db, strict=True)):
        if math.isfinite(quality) and (not qualities or quality > qualities[-1]):
            rates.append(rate)
            qualities.append(quality)
    return rates, qualities


def _bd(
    bpp: Sequence[float],
    quality: Sequence[float],
    anchor_bpp: Sequence[float],
    anchor_quality: Sequence[float],
) -> float | None:
    if not (quality and anchor_quality):
        return None
    try:
        return bd_rate(*rising(bpp, quality), *rising(anchor_bpp, anchor_quality))
    except InputError:  # too few points rise, or no quality is shared
        return None
