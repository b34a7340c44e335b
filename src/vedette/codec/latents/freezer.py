"""Float networks turned into integer ones: weights, shifts and tables, each layer as fine as its sums allow.

`Freezer` walks a network's modules on number formats and writes the integer tensors that
`vedette.codec.latents.network` runs.
"""

from collections.abc import Callable, Mapping
from typing import cast

import torch
from torch import Tensor, nn

from vedette.codec.latents.format import (
    GATE_FRAC,
    GDN_FRAC,
    HIDDEN_MAX,
    SIGMOID_FRAC,
    TANH_FRAC,
    Format,
    flatten,
    frac_for,
    join,
)
from vedette.codec.models.sliced import CORRECTION_FRAC, HalfTanh
from vedette.errors import InputError
from vedette.nn.exact import SINGLE
from vedette.nn.layers import GDN, GatedAttention, ResidualBlock, ResidualUnit, ResidualUp
from vedette.nn.wavelet import FIXED_FRAC, Lifting
from vedette.nn.weconv import WeConv, WeConv3D, WeConvUp

WIDE_MAX = 2**20  # results that leave a network
COARSE = 24  # a filter whose largest integer weight is below it deserves a wider carrier than float32
WIDE = 2**31  # sums of the 16-bit convolution stay below it


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
        return self._run(flatten(net), join(inputs), frac)

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
                case ResidualUnit():
                    x = self._residual_unit(module, x)
                case ResidualUp():
                    x = self._residual_up(module, x)
                case WeConvUp():
                    x = self._weconv_up(module, x)
                case GatedAttention():
                    x = self._gated_attention(module, x)
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
            low, frac = 0, frac_for(top)
        elif isinstance(follower, nn.GELU):
            frac = frac_for(max(top, 4.0))
        elif isinstance(follower, HalfTanh):
            frac = TANH_FRAC
        elif final is not None:
            low, high, frac = -WIDE_MAX, WIDE_MAX, final
            if isinstance(follower, nn.Hardtanh):
                low, high = round(follower.min_val * 2**final), round(follower.max_val * 2**final)
        elif frac is None:
            frac = frac_for(magnitude)
        for part, value in quantize(conv, x, frac, low, high).items():
            self.tensors[f"{name}.{part}"] = value
        return Format.of(conv.out_channels, frac, max(-low, high))

    def _table(self, module: nn.Module, x: Format, frac: int, name: str | None = None) -> Format:
        (most,) = set(x.most.tolist())
        values = torch.arange(-most, most + 1, dtype=torch.float64) * 2.0**-x.single_frac
        table = torch.round(module(values) * 2.0**frac).int()
        self.tensors[f"{name or self.names[module]}.table"] = table
        return Format.of(x.channels, frac, int(table.abs().max()))

    def _residual_block(self, block: ResidualBlock, x: Format) -> Format:
        frac = frac_for(max(self.ranges[self.names[m]][0] for m in (block, block.conv2)))
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
        frac = frac_for(max(self.ranges[self.names[m]][0] for m in (block, block.igdn, block.skip)))
        inner = self._run(flatten(block.subpel), x, None)
        inner = self._conv(block.conv, inner, None, None)
        self._gdn(block.igdn, inner, frac)
        conv = flatten(block.skip)[0]
        assert isinstance(conv, nn.Conv2d)
        self._conv(conv, x, None, None, frac)
        return Format.of(block.conv.out_channels, frac, HIDDEN_MAX)

    def _residual_unit(self, unit: ResidualUnit, x: Format) -> Format:
        frac = frac_for(max(self.ranges[self.names[m]][0] for m in (unit, unit.inner)))
        *modules, last = flatten(unit.inner)
        self._conv(cast(nn.Conv2d, last), self._run(modules, x, None), None, None, frac)
        self.tensors[f"{self.names[unit]}.rescale"] = torch.tensor(x.single_frac - frac).int()
        return Format.of(x.channels, frac, HIDDEN_MAX)

    def _gated_attention(self, attention: GatedAttention, x: Format) -> Format:
        name = self.names[attention]
        entered = self._conv(attention.enter, x, None, None)
        value = self._run(flatten(attention.value), entered, None)
        *modules, last = flatten(attention.gate)
        gate = self._conv(cast(nn.Conv2d, last), self._run(modules, entered, None), None, None, GATE_FRAC)
        self._table(nn.Sigmoid(), gate, SIGMOID_FRAC, name)
        frac = frac_for(self.ranges[f"{self.names[attention.leave]}:in"][0])
        fracs = (value.single_frac + SIGMOID_FRAC, entered.single_frac, frac)
        self.tensors[f"{name}.fracs"] = torch.tensor(fracs).int()
        return self._conv(attention.leave, Format.of(value.channels, frac, HIDDEN_MAX), None, None)

    def _gdn(self, gdn: GDN, x: Format, frac: int) -> Format:
        if not gdn.inverse:
            raise InputError("GDN has no integer form but that of its inverse")
        name, x_frac = self.names[gdn], x.single_frac
        beta, gamma = (part.detach().double() for part in gdn.effective())
        self.tensors[f"{name}.beta"] = torch.round(beta * 4.0 ** (x_frac + GDN_FRAC)).clamp(min=1).long()
        self.tensors[f"{name}.gamma"] = torch.round(gamma * 4.0**GDN_FRAC).long()
        self.tensors[f"{name}.shift"] = torch.tensor(2 * x_frac + GDN_FRAC - frac).int()
        return Format.of(x.channels, frac, HIDDEN_MAX)

    def _weconv_up(self, block: WeConvUp, x: Format) -> Format:
        frac = frac_for(max(self.ranges[self.names[m]][0] for m in (block, block.conv, block.skip)))
        inner = self._run(flatten(block.up), x, None)
        if isinstance(block.conv, WeConv3D):
            self._weconv3d(block.conv, inner, frac)
        else:
            self._weconv(cast(WeConv, block.conv), inner, frac)
        self._conv(cast(nn.Conv2d, flatten(block.skip)[0]), x, None, None, frac)
        return Format.of(inner.channels, frac, HIDDEN_MAX)

    def _weconv(self, layer: WeConv, x: Format, frac: int) -> None:
        """`layer` from the format of `x` to `frac`."""
        nets = [cast(nn.Sequential, net) for net in (layer.low, *layer.high)]
        together = frac_for(max(self.ranges[self.names[net]][0] for net in nets))
        fracs = [x.single_frac]
        for conv, norm in nets:
            fracs.append(frac_for(self.ranges[f"{self.names[conv]}:in"][0]))
            band = Format.of(cast(nn.Conv2d, conv).in_channels, fracs[-1], HIDDEN_MAX)
            if isinstance(norm, GDN):
                self._gdn(norm, self._conv(cast(nn.Conv2d, conv), band, None, None), together)
            else:
                self._conv(cast(nn.Conv2d, conv), band, norm, None, together)
        self._lifting(layer.lifting)
        self.tensors[f"{self.names[layer]}.fracs"] = torch.tensor([*fracs, together, frac]).int()

    def _weconv3d(self, layer: WeConv3D, x: Format, frac: int) -> None:
        """`layer` from the format of `x` to `frac`."""
        together = frac_for(max(self.ranges[self.names[half]][0] for half in layer.halves))
        fracs = [x.single_frac]
        for half in layer.halves:
            fracs.append(frac_for(self.ranges[f"{self.names[half]}:in"][0]))
            part = Format.of(x.channels // 2, fracs[-1], HIDDEN_MAX)
            self._weconv(cast(WeConv, half), part, together)
        self._lifting(layer.lifting)
        self.tensors[f"{self.names[layer]}.fracs"] = torch.tensor([*fracs, together, frac]).int()

    def _lifting(self, lifting: Lifting) -> None:
        bank = lifting.wavelet
        numbers = [float(number) for number in (*bank.factors, bank.low_gain, bank.high_gain)]
        fixed = torch.round(torch.tensor(numbers, dtype=torch.float64) * 2.0**FIXED_FRAC)
        self.tensors[f"{self.names[lifting]}.fixed"] = fixed.int()


def quantize(conv: nn.Conv2d, x: Format, frac: int, low: int, high: int) -> dict[str, Tensor]:
    """Integer weights, bias and shifts of `conv`, each filter as fine as its certificate allows.

    Where some filter would be coarse in float32's 24 bits, the whole layer is made for sums of 31.

    Args:
        frac: fractional bits of the output.
        low, high: limits of the output.

    Returns:
        int32 tensors "weight", "bias", "shift", "limits" and "input_max" (one for each input channel).
    """
    weight = conv.weight.detach().double() * torch.exp2(-x.frac.double())[None, :, None, None]
    bias = conv.bias.detach().double() if conv.bias is not None else torch.zeros(len(weight)).double()
    shifts = [_finest_shift(w, b, x.most, frac, SINGLE) for w, b in zip(weight, bias.tolist(), strict=True)]
    peaks = weight.abs().amax(dim=(1, 2, 3))
    peaks_int = peaks * torch.exp2(torch.tensor(shifts, dtype=torch.float64) + frac)
    if bool((peaks_int[peaks > 0] < COARSE).any()):
        shifts = [_finest_shift(w, b, x.most, frac, WIDE) for w, b in zip(weight, bias.tolist(), strict=True)]
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


def _finest_shift(weight: Tensor, bias: float, input_max: Tensor, frac: int, limit: int) -> int:
    """The largest shift, 0..20, at which sums of the rounded filter stay below `limit`."""
    for shift in range(20, -1, -1):
        factor = 2.0 ** (shift + frac)
        worst = (torch.round(weight * factor).abs().sum(dim=(1, 2)) * input_max.double()).sum().item()
        fits_int16 = (weight.abs().max().item() * factor) < 2**15
        if fits_int16 and worst + abs(bias * factor) + 2.0**shift < limit:
            return shift
    return 0


def watch_ranges(names: Mapping[nn.Module, str], run: Callable[[], None]) -> dict[str, tuple[float, float]]:
    """The 99.99 % quantiles of each module's output while `run` runs: of its magnitude, of its value.

    Those of its input stand under the module's name and ":in".
    """
    found: dict[str, tuple[float, float]] = {}

    def note(name: str, values: object) -> None:
        if isinstance(values, Tensor):
            old, new = found.get(name, (0.0, 0.0)), values.detach().float()
            found[name] = max(old[0], _quantile(new.abs())), max(old[1], _quantile(new))

    def watch(name: str) -> Callable[[nn.Module, tuple[object, ...], object], None]:
        def hook(module: nn.Module, inputs: tuple[object, ...], output: object) -> None:
            note(name, output)
            note(f"{name}:in", inputs[0])

        return hook

    kinds = (
        nn.Conv2d,
        nn.Sequential,
        GDN,
        GatedAttention,
        ResidualBlock,
        ResidualUnit,
        ResidualUp,
        WeConv,
        WeConv3D,
        WeConvUp,
    )
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
