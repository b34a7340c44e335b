"""Float networks turned into exact integer ones: what runs between the bitstream and the tables.

`Freezer` walks a network's modules on number formats and writes integer tensors; `IntegerRunner`
walks the same modules and runs those tensors. Sums are carried in float32 where each filter's
certificate (sum |w| * largest input + |b| < 2^24) holds, else split or in float64 (`vedette.nn.exact`),
so that any order of summation, thread count, library or processor gives the same integers.
Non-linear functions are integer tables, which were computed once and stand in the weights file.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from vedette.codec.models.sliced import CORRECTION_FRAC, HalfTanh
from vedette.errors import InputError
from vedette.nn.exact import SINGLE, Carrier, certify, conv2d_exact, gdn_exact
from vedette.nn.layers import GDN, ResidualBlock, ResidualUp

HIDDEN_MAX = 1023  # activations inside a network have ten bits and a sign
WIDE_MAX = 2**20  # results that leave it
COARSE = 24  # a filter whose largest integer weight is below it deserves a wider carrier than float32
FINE = 2**11  # integer weights of the wider carriers stay below it
LEAK, LEAK_SHIFT = 41, 12  # 0.01 as 41 / 4096
GDN_FRAC = 6  # gamma has twice as many fractional bits
TANH_FRAC = 8
Network = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Format:
    """Fractional bits and largest magnitude of each channel of an integer activation."""

    frac: Int[Tensor, " c"]
    most: Int[Tensor, " c"]

    @classmethod
    def of(cls, channels: int, frac: int, most: int) -> "Format":
        """The same format for every channel."""
        return cls(torch.full((channels,), frac), torch.full((channels,), most))

    @property
    def channels(self) -> int:
        return len(self.frac)

    @property
    def single_frac(self) -> int:
        """The fractional bits that all channels share."""
        (frac,) = set(self.frac.tolist())
        return int(frac)

    def chunk(self, chunks: int, dim: int) -> "tuple[Format, ...]":
        """As a tensor's `chunk` along the channels."""
        pairs = zip(self.frac.chunk(chunks), self.most.chunk(chunks), strict=True)
        return tuple(Format(frac, most) for frac, most in pairs)


def join(formats: Sequence[Format]) -> Format:
    """Channels behind one another, as `torch.cat` puts them."""
    return Format(torch.cat([f.frac for f in formats]), torch.cat([f.most for f in formats]))


class Freezer:
    """A `Runner` on formats: quantizes each network it is asked to run.

    Args:
        names: the qualified name of every module.
        ranges: largest magnitude and largest value of every module's output, by name (`watch_ranges`).

    After the run, `tensors` holds what `IntegerRunner` needs.
    """

    def __init__(self, names: Mapping[nn.Module, str], ranges: Mapping[str, tuple[float, float]]) -> None:
        self.names, self.ranges = names, ranges
        self.tensors: dict[str, Tensor] = {}

    def __call__(self, net: nn.Module, *inputs: Format, frac: int | None = None) -> Format:
        return self._run(_flatten(net), join(inputs), frac)

    def _run(self, modules: list[nn.Module], x: Format, final: int | None) -> Format:
        last = max((i for i, m in enumerate(modules) if isinstance(m, nn.Conv2d)), default=-1)
        for index, module in enumerate(modules):
            follower = modules[index + 1] if index + 1 < len(modules) else None
            match module:
                case nn.Conv2d():
                    x = self._conv(module, x, follower, final if index == last else None)
                case nn.ReLU() | nn.LeakyReLU() | nn.Hardtanh():
                    pass  # the convolution's limits hold it, or the format stays
                case nn.PixelShuffle():
                    step = module.upscale_factor**2
                    x = Format(x.frac[::step], x.most[::step])
                case nn.GELU():
                    x = self._table(module, x, x.single_frac)
                case HalfTanh():
                    x = self._table(module, x, CORRECTION_FRAC if final is None else final)
                case ResidualBlock():
                    x = self._residual_block(module, x)
                case ResidualUp():
                    x = self._residual_up(module, x)
                case _:
                    raise InputError(f"{type(module).__name__} has no integer form")
        return x

    def _conv(
        self,
        conv: nn.Conv2d,
        x: Format,
        follower: nn.Module | None,
        final: int | None,
        frac: int | None = None,
    ) -> Format:
        name = self.names[conv]
        magnitude, top = self.ranges[name]
        low, high = -HIDDEN_MAX, HIDDEN_MAX
        if isinstance(follower, nn.ReLU):
            low, frac = 0, _frac_for(top)
        elif isinstance(follower, nn.GELU):
            frac = _frac_for(max(top, 4.0))
        elif isinstance(follower, HalfTanh):
            frac = TANH_FRAC
        elif final is not None:
            low, high, frac = -WIDE_MAX, WIDE_MAX, final
            if isinstance(follower, nn.Hardtanh):
                low, high = round(follower.min_val * 2**final), round(follower.max_val * 2**final)
        elif frac is None:
            frac = _frac_for(magnitude)
        for part, value in quantize(conv, x, frac, low, high).items():
            self.tensors[f"{name}.{part}"] = value
        return Format.of(conv.out_channels, frac, max(-low, high))

    def _table(self, module: nn.Module, x: Format, frac: int) -> Format:
        (most,) = set(x.most.tolist())
        values = torch.arange(-most, most + 1, dtype=torch.float64) * 2.0**-x.single_frac
        table = torch.round(module(values) * 2.0**frac).int()
        self.tensors[f"{self.names[module]}.table"] = table
        return Format.of(x.channels, frac, int(table.abs().max()))

    def _residual_block(self, block: ResidualBlock, x: Format) -> Format:
        frac = _frac_for(max(self.ranges[self.names[m]][0] for m in (block, block.conv2)))
        hidden = self._conv(block.conv1, x, block.activation, None)
        self._conv(block.conv2, hidden, block.activation, None, frac)
        return self._skip(block, x, frac)

    def _skip(self, block: ResidualBlock, x: Format, frac: int) -> Format:
        """The identity, brought to `frac` by a shift, or the 1x1 convolution."""
        if isinstance(block.skip, nn.Conv2d):
            self._conv(block.skip, x, None, None, frac)
        else:
            self.tensors[f"{self.names[block]}.rescale"] = torch.tensor(x.single_frac - frac).int()
        return Format.of(block.conv2.out_channels, frac, HIDDEN_MAX)

    def _residual_up(self, block: ResidualUp, x: Format) -> Format:
        name = self.names[block]
        frac = _frac_for(max(self.ranges[self.names[m]][0] for m in (block, block.igdn, block.skip)))
        inner = self._run(_flatten(block.subpel), x, None)
        inner = self._conv(block.conv, inner, None, None)
        beta, gamma = (part.detach().double() for part in block.igdn.effective())
        x_frac = inner.single_frac
        self.tensors[f"{name}.beta"] = torch.round(beta * 4.0 ** (x_frac + GDN_FRAC)).clamp(min=1).long()
        self.tensors[f"{name}.gamma"] = torch.round(gamma * 4.0**GDN_FRAC).long()
        self.tensors[f"{name}.shift"] = torch.tensor(2 * x_frac + GDN_FRAC - frac).int()
        conv = _flatten(block.skip)[0]
        assert isinstance(conv, nn.Conv2d)
        self._conv(conv, x, None, None, frac)
        return Format.of(block.conv.out_channels, frac, HIDDEN_MAX)


def quantize(conv: nn.Conv2d, x: Format, frac: int, low: int, high: int) -> dict[str, Tensor]:
    """Integer weights, bias and shifts of `conv`, each filter as fine as its certificate allows.

    Where some filter would be coarse in float32's 24 bits, the whole layer is made for a wider carrier.

    Args:
        frac: fractional bits of the output.
        low, high: limits of the output.

    Returns:
        int32 tensors "weight", "bias", "shift", "limits" and "input_max" (one for each input channel).
    """
    weight = conv.weight.detach().double() * torch.exp2(-x.frac.double())[None, :, None, None]
    bias = conv.bias.detach().double() if conv.bias is not None else torch.zeros(len(weight)).double()
    shifts = [_finest_shift(w, b, x.most, frac) for w, b in zip(weight, bias.tolist(), strict=True)]
    peaks = weight.abs().amax(dim=(1, 2, 3))
    peaks_int = peaks * torch.exp2(torch.tensor(shifts, dtype=torch.float64) + frac)
    if bool((peaks_int[peaks > 0] < COARSE).any()):
        wanted = torch.log2(FINE / peaks.clamp(min=1e-12)).floor() - frac
        shifts = [int(s) for s in wanted.clamp(0, 20).tolist()]
    shift = torch.tensor(shifts, dtype=torch.int32)
    factor = torch.exp2(shift.double() + frac)
    half = torch.where(shift > 0, torch.exp2(shift.double() - 1), 0.0)  # so that floor rounds
    return {
        "weight": torch.round(weight * factor[:, None, None, None]).int(),
        "bias": (torch.round(bias * factor) + half).int(),
        "shift": shift,
        "limits": torch.tensor([low, high], dtype=torch.int32),
        "input_max": x.most.int(),
    }


def _finest_shift(weight: Tensor, bias: float, input_max: Tensor, frac: int) -> int:
    """The largest shift, 0..20, at which the rounded filter still has float32's certificate."""
    for shift in range(20, -1, -1):
        factor = 2.0 ** (shift + frac)
        worst = (torch.round(weight * factor).abs().sum(dim=(1, 2)) * input_max.double()).sum().item()
        fits_int16 = (weight.abs().max().item() * factor) < 2**15
        if fits_int16 and worst + abs(bias * factor) + 2.0**shift < SINGLE:
            return shift
    return 0


def _frac_for(largest: float) -> int:
    """Fractional bits at which `largest` still fits a hidden activation."""
    return max(0, min(12, math.floor(math.log2(HIDDEN_MAX / max(largest, 1e-6)))))


def _flatten(net: nn.Module) -> list[nn.Module]:
    """The modules of nested sequences, in order."""
    return [m for child in net for m in _flatten(child)] if isinstance(net, nn.Sequential) else [net]


def watch_ranges(names: Mapping[nn.Module, str], run: Callable[[], None]) -> dict[str, tuple[float, float]]:
    """The 99.99 % quantiles of each module's output while `run` runs: of its magnitude, of its value."""
    found: dict[str, tuple[float, float]] = {}

    def watch(name: str) -> Callable[[nn.Module, object, object], None]:
        def hook(module: nn.Module, inputs: object, output: object) -> None:
            if isinstance(output, Tensor):
                old = found.get(name, (0.0, 0.0))
                values = output.detach()
                found[name] = max(old[0], _quantile(values.abs())), max(old[1], _quantile(values))

        return hook

    kinds = (nn.Conv2d, ResidualBlock, ResidualUp, GDN, nn.Sequential)
    handles = [m.register_forward_hook(watch(name)) for m, name in names.items() if isinstance(m, kinds)]
    try:
        run()
    finally:
        for handle in handles:
            handle.remove()
    return found


def _quantile(values: Tensor) -> float:
    flat = values.flatten()
    return float(flat.kthvalue(max(1, int(0.9999 * flat.numel()))).values)


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
            self._networks[net] = self._chain(_flatten(net))
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
            case ResidualUp():
                return self._residual_up(module, name)
            case _:
                raise InputError(f"{type(module).__name__} has no integer form")

    def _residual_block(self, block: ResidualBlock, name: str) -> Network:
        inner = self._chain([block.conv1, block.activation, block.conv2, block.activation])
        if isinstance(block.skip, nn.Conv2d):
            skip: Network = load_conv(self._tensors, self._names[block.skip])
        else:
            skip = _rescaled(int(self._tensors[f"{name}.rescale"]))
        return lambda x: (inner(x) + skip(x)).clamp_(-HIDDEN_MAX, HIDDEN_MAX)

    def _residual_up(self, block: ResidualUp, name: str) -> Network:
        inner = self._chain([*_flatten(block.subpel), block.activation, block.conv])
        skip = self._chain(_flatten(block.skip))
        beta, gamma, shift = (self._tensors[f"{name}.{part}"] for part in ("beta", "gamma", "shift"))

        def run(x: Tensor) -> Tensor:
            scaled = gdn_exact(inner(x), beta.long(), gamma.long(), shift=int(shift), inverse=True)
            scaled = scaled.clamp_(-HIDDEN_MAX, HIDDEN_MAX).float()
            return (scaled + skip(x)).clamp_(-HIDDEN_MAX, HIDDEN_MAX)

        return run


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

    weight: Float[Tensor, "o i kh kw"]  # integers, held as the carrier wants them
    bias: Float[Tensor, " o"]  # integers; half an output step is in it, so that floor rounds
    scale: Float[Tensor, "o 1 1"]  # 2^-shift, exact
    low: int
    high: int
    carrier: Carrier
    input_max: tuple[int, ...]

    def __call__(self, x: Tensor) -> Tensor:
        padding = self.weight.shape[-1] // 2
        total = conv2d_exact(x, self.weight, self.bias, padding=padding, carrier=self.carrier)
        return total.mul_(self.scale).floor_().clamp_(self.low, self.high).float()


def load_conv(tensors: Mapping[str, Tensor], name: str) -> IntegerConv:
    """The layer `name` from a weights file, with the quickest carrier its certificate allows.

    Raises:
        InputError: sums that no carrier holds.
    """
    weight, bias, shift = (tensors[f"{name}.{part}"].int() for part in ("weight", "bias", "shift"))
    low, high = tensors[f"{name}.limits"].tolist()
    input_max = tuple(int(most) for most in tensors[f"{name}.input_max"].tolist())
    carrier = certify(weight, bias, input_max)
    weights = torch.float64 if carrier == "float64" else torch.float32
    sums = torch.float32 if carrier == "float32" else torch.float64
    scale = torch.exp2(-shift.double())[:, None, None].to(sums)
    return IntegerConv(weight.to(weights), bias.to(sums), scale, low, high, carrier, input_max)
