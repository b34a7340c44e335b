"""Turn a float network into a low-bit one, layer by layer, and say which layers and why."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from vedette.errors import InputError
from vedette.lowbit import norms
from vedette.lowbit.attention import Attention
from vedette.lowbit.backends import Route, route_for
from vedette.lowbit.config import LowBit
from vedette.lowbit.cost import gain_over_bf16
from vedette.lowbit.layers import Conv2d, Linear, LowBitLayer
from vedette.lowbit.relu import ReLU
from vedette.nn.classify import Attention as FloatAttention

NORMS: dict[type[nn.Module], type[nn.Module]] = {
    nn.BatchNorm2d: norms.BatchNorm2d,
    nn.LayerNorm: norms.LayerNorm,
    nn.GroupNorm: norms.GroupNorm,
}
KINDS: dict[type[nn.Module], Any] = {
    nn.Linear: Linear,
    nn.Conv2d: Conv2d,
    nn.ReLU: ReLU,
    FloatAttention: Attention,
    **NORMS,
}
LEAST_GAIN = 1.1  # below it a layer is left alone: the estimate is no better than that


@dataclass(frozen=True)
class Planned:
    """What becomes of one layer: its product is `rows` by `columns` by `inner`, 0 where not known."""

    name: str
    kind: str
    rows: int
    columns: int
    inner: int
    route: str
    gain: float | None
    reason: str

    def __str__(self) -> str:
        shape = f"{self.rows or '?'} x {self.columns} x {self.inner}" if self.columns else ""
        gain = "" if self.gain is None else f"{self.gain:.1f}x"
        return f"{self.name:28} {self.kind:12} {shape:22} {self.route:7} {gain:5} {self.reason}".rstrip()


@dataclass(frozen=True)
class Plan:
    """What becomes of every layer; prints as a table."""

    config: LowBit
    layers: tuple[Planned, ...]

    def __str__(self) -> str:
        head = f"{'layer':28} {'kind':12} {'rows x columns x inner':22} {'route':7} {'gain':5} why"
        note = "gain: estimated over bf16, forward and backward, of one thread with VNNI and AVX-512 bf16"
        return "\n".join([f"{self.config}", head, *map(str, self.layers), note])


def plan(model: nn.Module, config: LowBit, *, sample: Tensor | None = None, route: Route = "auto") -> Plan:
    """What `convert` would do.

    Args:
        sample: a batch as in training, run once without gradients to learn how many rows each product has.
            Without it a layer is judged by its weight alone.
    """
    rows = {} if sample is None else _rows(model, sample)
    found = [(name, module) for name, module in model.named_modules() if _is_product(module)]
    ends = {found[0][0], found[-1][0]} if found and not config.first_last else set()
    planned = []
    for name, module in model.named_modules():
        if _is_product(module):
            planned.append(_plan_product(name, module, config, rows.get(name, 0), name in ends, route))
        elif type(module) in NORMS and config.norm != "keep":
            bits = f"{config.norm_bits} bits" if config.norm_bits else "float"
            planned.append(Planned(name, type(module).__name__, 0, 0, 0, config.norm, None, bits))
        elif isinstance(module, nn.modules.batchnorm._BatchNorm | nn.LayerNorm | nn.GroupNorm):
            why = (
                "kept" if config.norm == "keep" else "only BatchNorm2d, LayerNorm and GroupNorm are converted"
            )
            planned.append(Planned(name, type(module).__name__, 0, 0, 0, "float", None, why))
        elif type(module) is FloatAttention and config.attention:
            planned.append(Planned(name, "Attention", 0, 0, 0, "scores", None, "both products in integers"))
        elif type(module) is nn.ReLU:
            planned.append(Planned(name, "ReLU", 0, 0, 0, "mask", None, "keeps a bit a value"))
        elif _is_other_product(module):
            why = "a kind of layer without an integer form here"
            planned.append(Planned(name, type(module).__name__, 0, 0, 0, "float", None, why))
    return Plan(config, tuple(planned))


def convert(
    model: nn.Module,
    config: LowBit,
    *,
    sample: Tensor | None = None,
    route: Route = "auto",
    show: Callable[[str], Any] | None = print,
) -> nn.Module:
    """Make the layers of `model` low-bit ones, in place, by the `plan`; parameters and their names stay.

    Args:
        sample: as in `plan`.
        route: of every product, see `lowbit.backends`.
        show: called with the plan; None says nothing.

    Returns:
        The model that was given.

    Raises:
        InputError: not one layer would be converted, or the model has been converted before.

    >>> model = nn.Sequential(nn.Linear(8, 512), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 2))
    >>> type(convert(model, LowBit(), show=None)[1]).__name__, type(model[0]).__name__
    ('Linear', 'Linear')
    >>> isinstance(model[1], LowBitLayer), isinstance(model[0], LowBitLayer)
    (True, False)
    """
    if any(isinstance(module, LowBitLayer) for module in model.modules()):
        raise InputError("this model is in low bits already", hint="convert a float model")
    made = plan(model, config, sample=sample, route=route)
    if show is not None:
        show(str(made))
    if all(layer.route in ("float", "mask") for layer in made.layers):
        raise InputError(
            "no layer of this model would be converted", hint="see `plan`, or choose LowBit(where='all')"
        )
    modules = dict(model.named_modules())
    for index, layer in enumerate(made.layers):
        if layer.route == "float":
            continue
        module = modules[layer.name]
        module.__class__ = KINDS[type(module)]  # hooks, parameters and references to it stay
        if isinstance(module, LowBitLayer):
            module.configure(config, name=layer.name or "the model", index=index, route=route)
    return model


def _is_product(module: nn.Module) -> bool:
    return type(module) in (nn.Linear, nn.Conv2d)


def _is_other_product(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear | nn.modules.conv._ConvNd | nn.MultiheadAttention | nn.Bilinear)


def _plan_product(name: str, module: Any, config: LowBit, rows: int, is_end: bool, route: Route) -> Planned:
    convolution = isinstance(module, nn.Conv2d)
    columns = module.out_channels if convolution else module.out_features
    inner = module.weight[0].numel()
    kind = type(module).__name__

    def kept(why: str, gain: float | None = None) -> Planned:
        return Planned(name, kind, rows, columns, inner, "float", gain, why)

    if convolution:
        if module.groups > 1:
            return kept("grouped convolution")
        if len(set(module.stride)) > 1 or len(set(module.dilation)) > 1:
            return kept("stride or dilation differs between height and width")
        if isinstance(module.padding, str) or module.padding_mode != "zeros":
            return kept("padding other than a number of zeros")
        reach = [d * (k - 1) for d, k in zip(module.dilation, module.kernel_size, strict=True)]
        if any(p > r for p, r in zip(module.padding, reach, strict=True)):
            return kept("padding wider than the kernel")
    if is_end:
        return kept("first or last layer")
    patch = module.kernel_size[0] * module.kernel_size[1] if convolution else 1
    gain = gain_over_bf16(rows or 1 << 12, columns, inner, patch=patch)
    if config.where == "profitable" and gain < LEAST_GAIN:
        return kept("would not be faster", gain)
    return Planned(name, kind, rows, columns, inner, route_for(module.weight.device, route), gain, "")


@torch.no_grad()
def _rows(model: nn.Module, sample: Tensor) -> dict[str, int]:
    """Rows of each product when `sample` runs through."""
    found: dict[str, int] = {}
    hooks = []

    def watch(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            columns = output.shape[1] if isinstance(module, nn.Conv2d) else output.shape[-1]
            found[name] = found.get(name, 0) + output.numel() // columns

        return hook

    for name, module in model.named_modules():
        if _is_product(module):
            hooks.append(module.register_forward_hook(watch(name)))
    training = model.training
    try:
        model.eval()(sample)
    finally:
        for handle in hooks:
            handle.remove()
        model.train(training)
    return found
