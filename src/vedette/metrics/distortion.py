"""How far a decoded image is from its original."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from vedette.errors import InputError

SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
WINDOW, SIGMA = 11, 1.5
K1, K2 = 0.01, 0.03


Images = Float[Tensor, "_ _ _ _"]  # batch, channels, height, width


def psnr(decoded: Images, original: Images, *, peak: float = 1.0) -> Float[Tensor, " b"]:
    """Peak signal-to-noise ratio of each image, dB; inf where the two are equal.

    10 log10(peak^2 / MSE), the mean over channels and pixels but never over the batch.

    Args:
        decoded, original: same shape, values 0..peak.
        peak: largest value a pixel can take; 1.0 for floats, 255 for 8-bit integers.

    Raises:
        InputError: the shapes differ.

    >>> psnr(torch.full((1, 3, 8, 8), 0.5), torch.full((1, 3, 8, 8), 0.6))
    tensor([20.0000])
    """
    _same_shape(decoded, original)
    mse = (decoded - original).square().mean(dim=(1, 2, 3))
    return 10 * torch.log10(peak**2 / mse)


def ms_ssim(decoded: Images, original: Images, *, peak: float = 1.0) -> Float[Tensor, " b"]:
    """Multi-scale structural similarity of each image, 0..1, the mean over channels.

    Wang, Simoncelli and Bovik, Asilomar 2003: Gaussian window of 11 pixels and deviation 1.5, five
    scales. A side that is odd is extended by its last row or column before it is halved (a choice of
    ours; it does not arise at sides that are multiples of 16). An image whose shorter side is below 161
    pixels is compared at as many scales as leave the window 11 pixels, with the weights scaled to sum
    to 1: such values compare only among themselves. Near 1, float64 is worth its time.

    Raises:
        InputError: shapes differ, or a side is below 11 pixels.

    >>> image = torch.rand(1, 3, 192, 192)
    >>> round(ms_ssim(image, image).item(), 5)
    1.0
    """
    _same_shape(decoded, original)
    shorter = min(decoded.shape[2:])
    if shorter < WINDOW:
        raise InputError(
            f"MS-SSIM of an image of {shorter} pixels", hint=f"{WINDOW} pixels a side are needed"
        )
    scales = scale_count(shorter)
    weights = torch.tensor(SCALE_WEIGHTS[:scales], dtype=decoded.dtype, device=decoded.device)
    if scales < len(SCALE_WEIGHTS):  # the five sum to 1.0001 as published, and are used so
        weights = weights / weights.sum()
    value = torch.ones(decoded.shape[:2], dtype=decoded.dtype, device=decoded.device)
    for scale in range(scales):
        luminance, structure = _ssim_terms(decoded, original, peak)
        last = scale == scales - 1
        term = (luminance * structure).mean(dim=(2, 3)) if last else structure.mean(dim=(2, 3))
        value = value * term.clamp(min=0) ** weights[scale]
        if not last:
            pad = (0, decoded.shape[3] % 2, 0, decoded.shape[2] % 2)
            decoded = functional.avg_pool2d(functional.pad(decoded, pad, mode="replicate"), 2)
            original = functional.avg_pool2d(functional.pad(original, pad, mode="replicate"), 2)
    return value.mean(dim=1)


def scale_count(shorter: int) -> int:
    """At how many scales an image of that shorter side, pixels, can be compared: five at most.

    >>> scale_count(161), scale_count(160), scale_count(11)
    (5, 4, 1)
    """
    scales = 1
    while scales < len(SCALE_WEIGHTS) and (shorter := -(-shorter // 2)) >= WINDOW:
        scales += 1
    return scales


def decibels(similarity: Tensor) -> Tensor:
    """MS-SSIM as -10 log10(1 - m), which spreads out the values near 1.

    >>> decibels(torch.tensor([0.9]))
    tensor([10.0000])
    """
    return -10 * torch.log10(1 - similarity)


def _ssim_terms(x: Tensor, y: Tensor, peak: float) -> tuple[Tensor, Tensor]:
    c1, c2 = (K1 * peak) ** 2, (K2 * peak) ** 2
    mean_x, mean_y = _blur(x), _blur(y)
    var_x, var_y = _blur(x * x) - mean_x.square(), _blur(y * y) - mean_y.square()
    covariance = _blur(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + c1) / (mean_x.square() + mean_y.square() + c1)
    return luminance, (2 * covariance + c2) / (var_x + var_y + c2)


def _blur(x: Tensor) -> Tensor:
    """The Gaussian mean at each position where the window fits.

    A sum of shifted images, since grouped convolutions in float64 take seconds.
    """
    offsets = torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2
    window = torch.exp(-offsets.square() / (2 * SIGMA**2))
    weights = (window / window.sum()).tolist()
    for axis in (3, 2):
        count = x.shape[axis] - WINDOW + 1
        total = weights[0] * x.narrow(axis, 0, count)
        for shift in range(1, WINDOW):
            total = torch.add(total, x.narrow(axis, shift, count), alpha=weights[shift])
        x = total
    return x


def _same_shape(a: Tensor, b: Tensor) -> None:
    if a.shape != b.shape:
        raise InputError(
            f"images of shapes {tuple(a.shape)} and {tuple(b.shape)}", hint="give two of one size"
        )
