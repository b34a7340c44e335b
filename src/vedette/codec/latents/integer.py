"""The number formats of the entropy path, and its arithmetic outside the networks.

Fixed-point formats (fractional bits): z and symbols 0, quality 5, contexts as the model says, hidden
layers as calibrated (`network`), corrections 6, means and log2 scales 10, log2 gains 6, decoded latents
16. Latents are integers held in float64, whose 53 bits no value here outgrows.
"""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from vedette.codec.latents.format import Format
from vedette.codec.latents.freezer import Freezer, watch_ranges
from vedette.codec.latents.network import IntegerRunner
from vedette.codec.models.sliced import (
    ANCHOR_QUALITIES,
    CORRECTION_FRAC,
    KNOWN_MAX,
    MEAN_FRAC,
    QUALITY_MAX,
    QUALITY_MIN,
    SlicedCodec,
)
from vedette.numerics.powers import exp2_table

GAIN_FRAC, LATENT_FRAC, PLANE_FRAC = 6, 16, 5
CONTEXT_MAX, Z_MAX = 511, 127
QUALITY_FRAC = 8  # the quality in a file is an integer of 1/256
SCALE_LEVELS, SCALE_STEP = 64, 10  # table i has sigma 2^((SCALE_FIRST + 10 i) / 64)
SCALE_FIRST = -204  # 64 log2(0.11)


def scale_of_level(level: int) -> float:
    """Standard deviation of scale table `level`, in quantization steps.

    >>> round(scale_of_level(0), 3), round(scale_of_level(63))
    (0.11, 101)
    """
    return float(2.0 ** ((SCALE_FIRST + SCALE_STEP * level) / 2**GAIN_FRAC))


def quality_code(quality: float) -> int:
    """The integer that stands for `quality` in a file.

    >>> quality_code(1.5)
    384
    """
    return round(min(max(quality, QUALITY_MIN), QUALITY_MAX) * 2**QUALITY_FRAC)


def module_names(model: nn.Module) -> dict[nn.Module, str]:
    """The qualified name of every module."""
    return {module: name for name, module in model.named_modules()}


@torch.no_grad()
def freeze(model: SlicedCodec, images: Float[Tensor, "b 3 h w"]) -> dict[str, Tensor]:
    """The integer tensors of `model`'s entropy networks, calibrated on `images` at five qualities."""
    names = module_names(model)

    def run() -> None:
        for quality in (2.0, 16.0, 32.0, 48.0, 63.0):
            model(images, torch.full((len(images),), quality))

    freezer = Freezer(names, watch_ranges(names, run))
    features = model.hyper(freezer, Format.of(model.z_channels, 0, Z_MAX))
    plane = Format.of(1, PLANE_FRAC, CONTEXT_MAX)
    for number, step in enumerate(model.steps):
        context = Format.of(step.context, model.context_frac, CONTEXT_MAX)
        hidden, _, _ = model.predict(freezer, number, features, plane, context)
        model.correct(freezer, number, hidden, Format.of(step.high - step.low, 0, KNOWN_MAX))
    gains = {"log2_gain": torch.round(model.log2_gain.detach() * 2**GAIN_FRAC).int()}
    return freezer.tensors | gains


class IntegerEntropy:
    """A model's entropy networks on integers, and its gains."""

    def __init__(self, model: SlicedCodec, tensors: Mapping[str, Tensor]) -> None:
        self.model = model
        self.run = IntegerRunner(module_names(model), tensors)
        self.log2_gain = tensors["log2_gain"].numpy()

    def features(self, z: Float[Tensor, "1 c h w"], height: int, width: int) -> tuple[Tensor, ...]:
        """What z tells about y, at y's size."""
        return tuple(f[..., :height, :width] for f in self.model.hyper(self.run, z))


def quality_plane(code: int, height: int, width: int) -> Float[Tensor, "1 1 h w"]:
    """Quality / 8 with 5 fractional bits."""
    return torch.full((1, 1, height, width), float(min(code >> 6, CONTEXT_MAX)))


def gains(log2_gain: np.ndarray, code: int) -> tuple[np.ndarray, np.ndarray]:
    """log2 of each channel's gain (6 fractional bits) and its inverse (16), in integers only.

    Args:
        log2_gain: int array (anchors, channels) with 6 fractional bits.
        code: quality in 1/256, as the file holds it.
    """
    span = round((QUALITY_MAX - QUALITY_MIN) * 2**QUALITY_FRAC)
    position = (code - round(QUALITY_MIN * 2**QUALITY_FRAC)) * (ANCHOR_QUALITIES - 1)
    low = min(position // span, ANCHOR_QUALITIES - 2)
    weight = position - low * span
    anchors = log2_gain.astype(np.int64)
    log2 = (anchors[low] * (span - weight) + anchors[low + 1] * weight + span // 2) // span
    table = exp2_table(GAIN_FRAC, 30).astype(np.int64)  # 2^(i/64), 30 fractional bits
    negative = -log2
    inverse = table[negative & 63]
    shift = 30 - LATENT_FRAC - (negative >> 6)
    return log2, np.maximum(1, inverse >> np.clip(shift, 0, 62))


def scale_levels(log2_scale: Float[Tensor, "c n"], log2_gain: Float[Tensor, "c 1"]) -> Float[Tensor, "c n"]:
    """The scale table of each symbol, from log2 of the scale in y's units and of the gain.

    >>> scale_levels(torch.zeros(1, 1), torch.zeros(1, 1)).item()  # sigma 1 = 0.11 * 2^(3.19)
    20.0
    """
    fine = 2.0 ** (MEAN_FRAC - GAIN_FRAC)  # every product and sum below is a multiple of 1/16 under 2^17
    position = log2_scale / fine + (log2_gain - (SCALE_FIRST - SCALE_STEP // 2))
    # divided by 10 in float64 and rounded down: the quotient's error is far below 1/160
    return torch.floor(position.double() / SCALE_STEP).clamp_(0, SCALE_LEVELS - 1)


def reconstruct(
    mean: Float[Tensor, "c n"],
    symbols: Float[Tensor, "c n"],
    correction: Float[Tensor, "c n"],
    inverse_gain: Float[Tensor, "c 1"],
) -> Float[Tensor, "c n"]:
    """mean + (symbol + correction) / gain with 16 fractional bits: integers in float64.

    >>> one = torch.ones(1, 1)
    >>> reconstruct(one, one, one, 65536 * one.double()).item()  # 1/1024 + 1 + 1/64
    66624.0
    """
    steps = symbols.double() * 2**CORRECTION_FRAC + correction
    scaled = torch.floor(steps * inverse_gain * 2.0**-CORRECTION_FRAC + 0.5)
    return scaled + mean.double() * 2.0 ** (LATENT_FRAC - MEAN_FRAC)


def as_context(latents: Float[Tensor, "c n"], context_frac: int) -> Float[Tensor, "c n"]:
    """Decoded latents as the networks take them, saturated.

    >>> as_context(torch.tensor([[65536.0, -1e9]], dtype=torch.float64), 5).tolist()
    [[32.0, -511.0]]
    """
    scaled = torch.floor(latents * 2.0 ** (context_frac - LATENT_FRAC) + 0.5)
    return scaled.clamp_(-CONTEXT_MAX, CONTEXT_MAX).float()
