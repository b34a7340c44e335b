"""Exact integer networks: what runs between the bitstream and the tables.

`IntegerRunner` walks a network's modules and runs the tensors that `vedette.codec.latents.freezer` wrote.
Sums are carried by the compiled 16-bit convolution, where each filter's certificate (sum |w| * largest
input + |b| < 2^31) holds; without it in float32 below 2^24, else split or in float64 (`vedette.nn.exact`).
So any order of summation, thread count, library or processor gives the same integers. Wavelets run in
fixed point. Non-linear functions are integer tables, which were computed once and stand in the weights file.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Literal

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn
from torch.nn import functional

from vedette.codec.latents.format import GUARD_BITS, HIDDEN_MAX, flatten
from vedette.codec.models.sliced import HalfTanh
from vedette.errors import InputError
from vedette.nn.exact import Carrier, certify, conv2d_exact, gdn_exact
from vedette.nn.layers import GDN, GatedAttention, ResidualBlock, ResidualUnit, ResidualUp
from vedette.nn.wavelet import FIXED_FRAC, Lifting, analyze, dwt2, idwt2, synthesize
from vedette.nn.weconv import WeConv, WeConv3D, WeConvUp
from vedette.numerics.conv16 import Packed, convolve, kernel, pack
from vedette.numerics.wavelet import Bands, Wavelet

LEAK, LEAK_SHIFT = 41, 12  # 0.01 as 41 / 4096
Network = Callable[[Tensor], Tensor]


class IntegerRunner:
    """A `Runner` on integers, held in float32 or float64.

    Args:
        names: the qualified name of every module.
        tensors: what a `Freezer` wrote, by those names.
    """

    def __init__(self, names: Mapping[nn.Module, str], tensors: Mapping[str, Tensor]) -> None:
        self._names, self._tensors = names, tensors
        self._networks: dict[nn.Module, Network] = {}

    def __call__(self, net: nn.Module, *inputs: Tensor, frac: int | None = None) -> Tensor:
        if net not in self._networks:
            self._networks[net] = self._chain(flatten(net))
        return self._networks[net](torch.cat(inputs, dim=1) if len(inputs) > 1 else inputs[0])

    @property
    def convolutions(self) -> "dict[str, IntegerConv]":
        """Every layer, by name: for those who check certificates."""
        named = {name for name in self._names.values() if f"{name}.input_max" in self._tensors}
        return {name: load_conv(self._tensors, name) for name in sorted(named)}

    def _chain(self, modules: Iterable[nn.Module]) -> Network:
        layers = [layer for module in modules if (layer := self._layer(module)) is not None]

        def run(x: Tensor) -> Tensor:
            return reduce(lambda value, layer: layer(value), layers, x)

        return run

    def _layer(self, module: nn.Module) -> Network | None:
        name = self._names[module]
        match module:
            case nn.Conv2d():
                return load_conv(self._tensors, name)
            case nn.ReLU() | nn.Hardtanh():
                return None  # the convolution's limits did it
            case nn.Identity():
                return None
            case nn.LeakyReLU():
                return leak
            case nn.PixelShuffle():
                factor = module.upscale_factor
                return lambda x: functional.pixel_shuffle(x, factor)
            case nn.GELU() | HalfTanh():
                table = self._tensors[f"{name}.table"].float()
                return lambda x: table[x.long() + len(table) // 2]
            case ResidualBlock():
                return self._residual_block(module, name)
            case ResidualUnit():
                return self._residual_unit(module, name)
            case ResidualUp():
                return self._residual_up(module)
            case GatedAttention():
                return self._gated_attention(module, name)
            case GDN():
                return self._gdn(module)
            case WeConvUp():
                return self._weconv_up(module)
            case WeConv():
                return self._weconv(module, name)
            case WeConv3D():
                return self._weconv3d(module, name)
            case _:
                raise InputError(f"{type(module).__name__} has no integer form")

    def _residual_block(self, block: ResidualBlock, name: str) -> Network:
        inner = self._chain([block.conv1, block.activation, block.conv2, block.activation])
        if isinstance(block.skip, nn.Conv2d):
            skip: Network = load_conv(self._tensors, self._names[block.skip])
        else:
            skip = _rescaled(int(self._tensors[f"{name}.rescale"]))
        return lambda x: (inner(x) + skip(x)).clamp_(-HIDDEN_MAX, HIDDEN_MAX)

    def _residual_up(self, block: ResidualUp) -> Network:
        inner = self._chain([*flatten(block.subpel), block.activation, block.conv])
        skip, norm = self._chain(flatten(block.skip)), self._gdn(block.igdn)
        return lambda x: (norm(inner(x)) + skip(x)).clamp_(-HIDDEN_MAX, HIDDEN_MAX)

    def _residual_unit(self, unit: ResidualUnit, name: str) -> Network:
        inner, skip = self._chain(flatten(unit.inner)), _rescaled(int(self._tensors[f"{name}.rescale"]))
        return lambda x: (inner(x) + skip(x)).clamp_(0, HIDDEN_MAX)

    def _gated_attention(self, attention: GatedAttention, name: str) -> Network:
        parts = (attention.enter, attention.value, attention.gate, attention.leave)
        enter, value, gate, leave = (self._chain(flatten(part)) for part in parts)
        table = self._tensors[f"{name}.table"].double()
        product_frac, entered_frac, frac = self._tensors[f"{name}.fracs"].tolist()
        fine = max(product_frac, entered_frac)
        to_hidden = _hidden(fine - frac)

        def run(x: Tensor) -> Tensor:
            entered = enter(x)
            weight = table[gate(entered).long() + len(table) // 2]
            gated = value(entered).double().mul_(weight).mul_(2.0 ** (fine - product_frac))
            return leave(to_hidden(gated.add_(entered.double(), alpha=2.0 ** (fine - entered_frac))))

        return run

    def _gdn(self, gdn: GDN) -> Network:
        name = self._names[gdn]
        beta, gamma, shift = (self._tensors[f"{name}.{part}"] for part in ("beta", "gamma", "shift"))

        def run(x: Tensor) -> Tensor:
            scaled = gdn_exact(x, beta.long(), gamma.long(), shift=int(shift), inverse=True)
            return scaled.clamp_(-HIDDEN_MAX, HIDDEN_MAX).float()

        return run

    def _weconv_up(self, block: WeConvUp) -> Network:
        inner = self._chain([*flatten(block.up), block.activation, block.conv])
        skip = self._chain(flatten(block.skip))
        return lambda x: (inner(x) + skip(x)).clamp_(-HIDDEN_MAX, HIDDEN_MAX)

    def _weconv(self, layer: WeConv, name: str) -> Network:
        x_frac, low_frac, *high_fracs, together, frac = self._tensors[f"{name}.fracs"].tolist()
        wavelet, step = self._wavelet(layer.lifting), 2 ** len(layer.high)
        low_net = self._chain(flatten(layer.low))
        nets = [self._chain(flatten(net)) for net in layer.high]
        to_low = _hidden(x_frac + GUARD_BITS - low_frac)
        to_high = [_hidden(x_frac + GUARD_BITS - high_frac) for high_frac in high_fracs]
        to_frac = _hidden(together + GUARD_BITS - frac)

        def run(x: Tensor) -> Tensor:
            height, width = x.shape[-2:]
            low = guarded(functional.pad(x, (0, -width % step, 0, -height % step), mode="replicate"))
            highs = []
            for net, to_hidden in zip(nets, to_high, strict=True):
                low, *bands = dwt2(low, wavelet, fixed=True)
                highs.append(net(to_hidden(torch.cat(bands, dim=1))))
            low = guarded(low_net(to_low(low)))
            for high in reversed(highs):
                low = idwt2(Bands(low, *guarded(high).chunk(3, dim=1)), wavelet, fixed=True)
            return to_frac(low[..., :height, :width])

        return run

    def _weconv3d(self, layer: WeConv3D, name: str) -> Network:
        x_frac, *half_fracs, together, frac = self._tensors[f"{name}.fracs"].tolist()
        wavelet = self._wavelet(layer.lifting)
        nets = [self._chain([half]) for half in layer.halves]
        to_half = [_hidden(x_frac + GUARD_BITS - half_frac) for half_frac in half_fracs]
        to_frac = _hidden(together + GUARD_BITS - frac)

        def run(x: Tensor) -> Tensor:
            halves = analyze(guarded(x), wavelet, dim=1, extension="periodic", fixed=True)
            low, high = (guarded(net(to(half))) for net, to, half in zip(nets, to_half, halves, strict=True))
            return to_frac(synthesize(low, high, wavelet, dim=1, extension="periodic", fixed=True))

        return run

    def _wavelet(self, lifting: Lifting) -> Wavelet:
        fixed = self._tensors[f"{self._names[lifting]}.fixed"].tolist()
        *factors, low_gain, high_gain = (number * 2.0**-FIXED_FRAC for number in fixed)
        return Wavelet(tuple(factors), low_gain, high_gain, lifting.start.pairs)


def guarded(x: Tensor) -> Tensor:
    """Integers in float64 with `GUARD_BITS` more fractional bits, as a wavelet takes them."""
    return x.double() * 2.0**GUARD_BITS


def _hidden(shift: int) -> Network:
    """x / 2^shift, ties upward, as a hidden activation."""
    factor = 2.0**-shift
    return lambda x: torch.floor(x * factor + 0.5).clamp_(-HIDDEN_MAX, HIDDEN_MAX).float()


def _rescaled(shift: int) -> Network:
    """x / 2^shift, ties upward: exact in floats, a power of two."""
    factor = 2.0**-shift
    return lambda x: torch.floor(x * factor + 0.5)


def leak(x: Tensor) -> Tensor:
    """LeakyReLU on integers up to 2^18: negative values times 41 / 4096, ties upward.

    >>> leak(torch.tensor([-1000.0, 7.0])).tolist()
    [-10.0, 7.0]
    """
    return torch.where(x < 0, torch.floor(x * (LEAK / 2**LEAK_SHIFT) + 0.5), x)


@dataclass(frozen=True, eq=False)
class IntegerConv:
    """A certified integer convolution and the shift that brings its sum to the output's format."""

    filters: Packed | Float[Tensor, "o i kh kw"]  # integers, held as the carrier wants them
    bias: Shaped[Tensor, " o"]  # integers; half an output step is in it, so that floor rounds
    shifts: Int[Tensor, " o"]
    low: int
    high: int
    carrier: Carrier | Literal["int16"]
    input_max: tuple[int, ...]

    def __call__(self, x: Tensor) -> Tensor:
        if isinstance(self.filters, Packed):
            pixels = x.permute(0, 2, 3, 1).numpy()
            given = (self.filters, self.bias.numpy(), self.shifts.numpy(), self.low, self.high)
            values = convolve(pixels, *given, threads=torch.get_num_threads())
            return torch.from_numpy(values).permute(0, 3, 1, 2)
        assert self.carrier != "int16"
        padding = self.filters.shape[-1] // 2
        total = conv2d_exact(x, self.filters, self.bias, padding=padding, carrier=self.carrier)
        scale = torch.exp2(-self.shifts.to(total.dtype))[:, None, None]  # exact
        return total.mul_(scale).floor_().clamp_(self.low, self.high).float()


def load_conv(tensors: Mapping[str, Tensor], name: str) -> IntegerConv:
    """The layer `name` from a weights file, with the quickest carrier its certificate allows.

    That is the compiled 16-bit convolution where it is there and every filter's sums stay below 2^31.

    Raises:
        InputError: sums that no carrier holds.
    """
    weight, bias, shifts = (tensors[f"{name}.{part}"].int() for part in ("weight", "bias", "shift"))
    low, high = tensors[f"{name}.limits"].tolist()
    input_max = tuple(int(most) for most in tensors[f"{name}.input_max"].tolist())
    if kernel() is not None and _fits_16_bits(weight, bias, input_max):
        packed = pack(weight.short().numpy())
        return IntegerConv(packed, bias, shifts, low, high, "int16", input_max)
    carrier = certify(weight, bias, input_max)
    weights = torch.float64 if carrier == "float64" else torch.float32
    sums = torch.float32 if carrier == "float32" else torch.float64
    return IntegerConv(weight.to(weights), bias.to(sums), shifts, low, high, carrier, input_max)


def _fits_16_bits(weight: Int[Tensor, "o i kh kw"], bias: Int[Tensor, " o"], most: Sequence[int]) -> bool:
    """Whether weights and inputs are 16-bit integers whose sums are 32-bit ones."""
    inputs = torch.tensor(most, dtype=torch.float64)
    worst = weight.double().abs().sum(dim=(2, 3)) @ inputs + bias.double().abs()  # exact below 2^53
    narrow = weight.short().equal(weight) and max(most) < 2**15
    return bool(narrow and worst.max() < 2**31)
