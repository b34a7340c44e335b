"""The entropy networks of charm-lite in exact integers: what decides bytes (architecture, section 6).

`freeze` turns the trained float networks into integer weights; `IntegerEntropy` runs them. Sums are
carried in float32 where each filter's certificate (sum |w| * largest activation + |b| < 2^24) holds,
so that any order of summation, thread count, library or processor gives the same integers.

Fixed-point formats (fractional bits): z 0, contexts and quality 5, hidden layers as calibrated, symbols
as inputs 6, mean 10, log2 scale and log2 gain 6, decoded latents 16.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from vedette.codec.models.lite import ANCHOR_QUALITIES, LATENTS, QUALITY_MAX, QUALITY_MIN, STEPS, CharmLite
from vedette.numerics.powers import exp2_table

CERTIFIED = 2**24  # float32 holds every integer up to here
CONTEXT_FRAC, SYMBOL_FRAC, MEAN_FRAC, SCALE_FRAC, LATENT_FRAC = 5, 6, 10, 6, 16
CONTEXT_MAX, HIDDEN_MAX, SYMBOL_MAX, Z_MAX = 511, 1023, 4, 127
QUALITY_FRAC = 8  # the quality in a file is an integer of 1/256
SCALE_LEVELS, SCALE_STEP = 64, 10  # table i has sigma 2^((SCALE_FIRST + 10 i) / 64)
SCALE_FIRST = -204  # 64 log2(0.11)


def scale_of_level(level: int) -> float:
    """Standard deviation of scale table `level`, in quantization steps.

    >>> round(scale_of_level(0), 3), round(scale_of_level(63))
    (0.11, 101)
    """
    return float(2.0 ** ((SCALE_FIRST + SCALE_STEP * level) / 64))


def quality_code(quality: float) -> int:
    """The integer that stands for `quality` in a file.

    >>> quality_code(1.5)
    384
    """
    return round(min(max(quality, QUALITY_MIN), QUALITY_MAX) * 2**QUALITY_FRAC)


@dataclass(frozen=True, eq=False)
class IntegerConv:
    """A certified integer convolution and the shift that brings its sum to the output's format."""

    weight: Float[Tensor, "o i kh kw"]  # integers, held in float32 as the convolution wants them
    bias: Float[Tensor, " o"]  # integers; half an output step is in it, so that floor rounds
    scale: Float[Tensor, "o 1 1"]  # 2^-shift, exact
    low: int
    high: int

    def __call__(self, x: Tensor) -> Tensor:
        total = functional.conv2d(x, self.weight, self.bias, padding=self.weight.shape[-1] // 2)
        return torch.floor(total * self.scale).clamp_(self.low, self.high)


def quantize(
    conv: nn.Conv2d,
    input_frac: Int[Tensor, " i"],
    input_max: Int[Tensor, " i"],
    output_frac: Int[Tensor, " o"],
    low: int,
    high: int,
) -> dict[str, Tensor]:
    """Integer weights, bias and shifts of `conv`, each filter as fine as its certificate allows.

    Args:
        input_frac, input_max: fractional bits and largest magnitude of each input channel.
        output_frac: fractional bits wanted of each output channel.

    Returns:
        int32 tensors "weight", "bias", "shift", "limits".
    """
    weight = conv.weight.detach().double() * torch.exp2(-input_frac.double())[None, :, None, None]
    bias = conv.bias.detach().double() if conv.bias is not None else torch.zeros(len(weight)).double()
    integers, biases, shifts = [], [], []
    for filter_weight, filter_bias, frac in zip(weight, bias, output_frac.tolist(), strict=True):
        shift = _finest_shift(filter_weight, float(filter_bias), input_max, frac)
        factor = 2.0 ** (shift + frac)
        integers.append(torch.round(filter_weight * factor))
        biases.append(torch.round(filter_bias * factor) + (2.0 ** (shift - 1) if shift else 0.0))
        shifts.append(shift)
    return {
        "weight": torch.stack(integers).int(),
        "bias": torch.stack(biases).int(),
        "shift": torch.tensor(shifts, dtype=torch.int32),
        "limits": torch.tensor([low, high], dtype=torch.int32),
    }


def _finest_shift(weight: Tensor, bias: float, input_max: Tensor, frac: int) -> int:
    """The largest shift, 0..20, at which the rounded filter still has its certificate."""
    for shift in range(20, -1, -1):
        factor = 2.0 ** (shift + frac)
        worst = (torch.round(weight * factor).abs().sum(dim=(1, 2)) * input_max.double()).sum().item()
        fits_int16 = (weight.abs().max().item() * factor) < 2**15
        if fits_int16 and worst + abs(bias * factor) + 2.0**shift < CERTIFIED:
            return shift
    return 0


def load_conv(tensors: Mapping[str, Tensor], name: str) -> IntegerConv:
    """The layer `name` from a weights file; refuses one without its certificate."""
    weight, bias, shift = (tensors[f"{name}.{part}"] for part in ("weight", "bias", "shift"))
    low, high = tensors[f"{name}.limits"].tolist()
    return IntegerConv(weight.float(), bias.float(), torch.exp2(-shift.float())[:, None, None], low, high)


def _frac_for(largest: float, limit: int) -> int:
    """Fractional bits at which `largest` still fits under `limit`."""
    return max(0, min(12, math.floor(math.log2(limit / max(largest, 1e-6)))))


@torch.no_grad()
def freeze(model: CharmLite, images: Float[Tensor, "b 3 h w"]) -> dict[str, Tensor]:
    """The integer tensors of `model`'s entropy networks, calibrated on `images` at five qualities."""
    largest = _hidden_ranges(model, images)
    tensors: dict[str, Tensor] = {}

    def put(
        name: str,
        conv: nn.Module,
        inputs: list[tuple[int, int, int]],
        outputs: list[tuple[int, int]],
        low: int,
        high: int,
    ) -> None:
        """`inputs`: (channels, frac, max) and `outputs`: (channels, frac), group after group."""
        assert isinstance(conv, nn.Conv2d)
        frac = torch.cat([torch.full((n,), f) for n, f, _ in inputs])
        most = torch.cat([torch.full((n,), m) for n, _, m in inputs])
        out = torch.cat([torch.full((n,), f) for n, f in outputs])
        for part, value in quantize(conv, frac, most, out, low, high).items():
            tensors[f"{name}.{part}"] = value

    f1 = _frac_for(largest["h_s1"], HIDDEN_MAX)
    width = model.h_s1.out_channels
    put("h_s1", model.h_s1, [(64, 0, Z_MAX)], [(width, f1)], 0, HIDDEN_MAX)
    features = model.h_s2.out_channels // 4
    f2 = _frac_for(largest["h_s2"], HIDDEN_MAX)
    put("h_s2", model.h_s2, [(width // 4, f1, HIDDEN_MAX)], [(4 * features, f2)], 0, HIDDEN_MAX)
    for number, (step, net) in enumerate(zip(STEPS, model.nets, strict=True)):
        count = step.high - step.low
        base = [(features, f2, HIDDEN_MAX), (1 + step.context, CONTEXT_FRAC, CONTEXT_MAX)]
        fa, fb, fc = (_frac_for(largest[f"{part}{number}"], HIDDEN_MAX) for part in ("mix", "hidden", "lrp"))
        hidden_width = net.mix.out_channels
        put(f"slice{number}.mix", net.mix, base, [(hidden_width, fa)], 0, HIDDEN_MAX)
        put(
            f"slice{number}.hidden",
            net.hidden,
            [(hidden_width, fa, HIDDEN_MAX)],
            [(hidden_width, fb)],
            0,
            HIDDEN_MAX,
        )
        hidden = (hidden_width, fb, HIDDEN_MAX)
        put(
            f"slice{number}.head",
            net.head,
            [hidden],
            [(count, MEAN_FRAC), (count, SCALE_FRAC)],
            -(2**20),
            2**20,
        )
        symbols = (count, SYMBOL_FRAC, SYMBOL_MAX << SYMBOL_FRAC)
        put(f"slice{number}.lrp_hidden", net.lrp_hidden, [hidden, symbols], [(64, fc)], 0, HIDDEN_MAX)
        half = 1 << (SYMBOL_FRAC - 1)
        put(f"slice{number}.lrp", net.lrp, [(64, fc, HIDDEN_MAX)], [(count, SYMBOL_FRAC)], -half, half)
    tensors["log2_gain"] = torch.round(model.log2_gain.detach() * 2**SCALE_FRAC).int()
    return tensors


@torch.no_grad()
def _hidden_ranges(model: CharmLite, images: Float[Tensor, "b 3 h w"]) -> dict[str, float]:
    """The 99.99 % quantile of each hidden activation, largest over five qualities."""
    largest: dict[str, float] = {}

    def watch(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        def hook(module: nn.Module, inputs: object, output: Tensor) -> None:
            values = output.clamp(min=0).flatten()
            top = values.kthvalue(max(1, int(0.9999 * values.numel()))).values.item()
            largest[name] = max(largest.get(name, 0.0), top)

        return hook

    handles = [getattr(model, name).register_forward_hook(watch(name)) for name in ("h_s1", "h_s2")]
    for number, net in enumerate(model.nets):
        for part, layer in (("mix", net.mix), ("hidden", net.hidden), ("lrp", net.lrp_hidden)):
            handles.append(layer.register_forward_hook(watch(f"{part}{number}")))
    for quality in (2.0, 16.0, 32.0, 48.0, 63.0):
        model(images, torch.full((len(images),), quality))
    for handle in handles:
        handle.remove()
    return largest


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
    table = exp2_table(SCALE_FRAC, 30).astype(np.int64)  # 2^(i/64), 30 fractional bits
    negative = -log2
    inverse = table[negative & 63]
    shift = 30 - LATENT_FRAC - (negative >> 6)
    return log2, np.maximum(1, inverse >> np.clip(shift, 0, 62))


class IntegerEntropy:
    """z_hat to features, and each step's means, scale tables and corrections, in exact integers."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self.h_s1, self.h_s2 = load_conv(tensors, "h_s1"), load_conv(tensors, "h_s2")
        parts = ("mix", "hidden", "head", "lrp_hidden", "lrp")
        self.slices = [
            {part: load_conv(tensors, f"slice{n}.{part}") for part in parts} for n in range(len(STEPS))
        ]
        self.log2_gain = tensors["log2_gain"].numpy()

    def features(self, z: Int[Tensor, "1 c h w"], code: int, height: int, width: int) -> Tensor:
        """Features and quality plane at y's size, as integers in float32."""
        x = functional.pixel_shuffle(self.h_s1(z.float()), 2)
        x = functional.pixel_shuffle(self.h_s2(x), 2)[..., :height, :width]
        plane = torch.full_like(x[:, :1], min(code >> 6, CONTEXT_MAX))  # quality / 8 with 5 fractional bits
        return torch.cat([x, plane], dim=1)

    def predict(self, number: int, base: Tensor, context: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(hidden, mean with 10 and log2 scale with 6 fractional bits) of step `number`."""
        net = self.slices[number]
        hidden = net["hidden"](net["mix"](torch.cat([base, context], dim=1)))
        mean, log2_scale = net["head"](hidden).chunk(2, dim=1)
        return hidden, mean, log2_scale

    def correct(self, number: int, hidden: Tensor, symbols: Tensor) -> Tensor:
        """The latent residual prediction, in 1/64 of a step."""
        net = self.slices[number]
        known = symbols.clamp(-SYMBOL_MAX, SYMBOL_MAX) * (1 << SYMBOL_FRAC)
        correction: Tensor = net["lrp"](net["lrp_hidden"](torch.cat([hidden, known.float()], dim=1)))
        return correction


def scale_levels(log2_scale: Tensor, log2_gain: Tensor) -> Tensor:
    """The scale table of each symbol, from log2 of the scale in y's units and of the gain."""
    level = torch.div(
        log2_scale.long() + log2_gain - SCALE_FIRST + SCALE_STEP // 2, SCALE_STEP, rounding_mode="floor"
    )
    return level.clamp_(0, SCALE_LEVELS - 1)


def reconstruct(
    mean: Tensor, symbols: Tensor, correction: Tensor, inverse_gain: Tensor
) -> Int[Tensor, "1 c h w"]:
    """mean + (symbol + correction) / gain with 16 fractional bits, in 64-bit integers."""
    steps = (symbols.long() << SYMBOL_FRAC) + correction.long()
    half = 1 << (SYMBOL_FRAC - 1)
    return (mean.long() << (LATENT_FRAC - MEAN_FRAC)) + ((steps * inverse_gain + half) >> SYMBOL_FRAC)


def as_context(latents: Int[Tensor, "1 c h w"]) -> Tensor:
    """Decoded latents as the networks take them: 5 fractional bits, saturated, held in float32."""
    shift = LATENT_FRAC - CONTEXT_FRAC
    return ((latents + (1 << (shift - 1))) >> shift).clamp(-CONTEXT_MAX, CONTEXT_MAX).float()


assert STEPS[-1].high == LATENTS
