"""What ways of grouping add to the gradients of a network: variance of stochastic rounding, layer by layer.

One batch runs forward and backward in float; the gradient of each layer's output is then quantized as the two
products need it (`lowbit.layers`), by each way of grouping. The variance is exact for that gradient (the sum
of step^2 f (1 - f)), not drawn.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vedette.errors import InputError
from vedette.numerics import grouping, symmetric

BINS = 1024  # the optimal partition of more channels than this has its edges between so many parts of them


@dataclass(frozen=True)
class Row:
    """Of one product of one layer.

    Args:
        product: "grad_input" (groups of output channels) or "grad_weight" (groups of samples).
        spread: the largest range of a channel over the median one.
        variance: by way of grouping, over that of "tensor"; "outer" is "shift" with outer steps besides.
        bound: the most that variance can be, over that of "tensor".
        error: by way of grouping, the standard deviation over the gradient's own root mean square.
    """

    layer: str
    product: str
    channels: int
    spread: float
    variance: dict[str, float]
    bound: dict[str, float]
    error: dict[str, float]


def report(model: nn.Module, images: Tensor, labels: Tensor, *, bits: int = 4, groups: int = 4) -> list[Row]:
    """Rows for every linear and convolutional layer of a float `model`, by cross-entropy on one batch.

    Raises:
        InputError: no such layers, or a gradient that is not finite.
    """
    found: dict[str, Tensor] = {}
    handles = []
    layers = {n: m for n, m in model.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)}
    if not layers:
        raise InputError("a model without linear or convolutional layers", hint="give another one")
    for name, module in layers.items():
        handles.append(module.register_full_backward_hook(_keep(found, name)))
    try:
        model.zero_grad()
        with torch.enable_grad():
            nn.functional.cross_entropy(model(images.requires_grad_()), labels).backward()
    finally:
        for handle in handles:
            handle.remove()
        model.zero_grad()
    rows = []
    for name, module in layers.items():
        if name not in found:
            continue
        gradient = found[name].numpy()
        if not np.isfinite(gradient).all():
            raise InputError(f"the gradient of {name} is not finite", hint="start from a trained model")
        scale = module.weight.detach().flatten(1).abs().amax(1).numpy()
        samples = len(images) if isinstance(module, nn.Conv2d) else len(gradient)
        rows.append(_row(name, "grad_input", gradient * scale, samples, bits, groups))
        rows.append(_row(name, "grad_weight", gradient.T.copy(), gradient.shape[1], bits, groups))
    return rows


def _keep(found: dict[str, Tensor], name: str) -> Callable[[nn.Module, Any, Any], None]:
    def hook(module: nn.Module, inputs: Any, outputs: Any) -> None:
        g = outputs[0].detach().float()
        if isinstance(module, nn.Conv2d):
            g = g.permute(0, 2, 3, 1)
        found[name] = g.reshape(-1, g.shape[-1]).contiguous()

    return hook


def _row(name: str, product: str, g: np.ndarray, blocks: int, bits: int, groups: int) -> Row:
    """`g` is (others, channels), the channels lying along the dimension that is summed; `blocks` of the
    others have outer steps.
    """
    ranges = np.abs(g).max(0, initial=0).astype(np.float32)
    outer = len(g)
    variance, bound = {}, {}
    for way in grouping.GROUPINGS:
        steps = _steps(ranges, bits, way, groups)
        variance[way] = float(symmetric.stochastic_variance(g, steps).sum())
        bound[way] = float(outer * (steps[ranges > 0] ** 2).sum() / 4)
    powers = np.exp2(grouping.shift_exponents(ranges, groups))
    own = np.abs(g * powers).reshape(blocks, -1).max(1).repeat(outer // blocks)
    steps = own[:, None] / (symmetric.magnitude(bits) * powers)
    variance["outer"] = float(symmetric.stochastic_variance(g, steps).sum())
    power = float(np.square(g, dtype=np.float64).sum())
    some = ranges[ranges > 0]
    return Row(
        name,
        product,
        len(ranges),
        float(some.max() / np.median(some)) if len(some) else 1.0,
        {way: value / max(variance["tensor"], 1e-300) for way, value in variance.items()},
        {way: value / max(bound["tensor"], 1e-300) for way, value in bound.items()},
        {way: (value / power) ** 0.5 if power else 0.0 for way, value in variance.items()},
    )


def _steps(ranges: np.ndarray, bits: int, way: str, groups: int) -> np.ndarray:
    if way != "optimal" or len(ranges) <= BINS:
        return grouping.steps(ranges, bits, grouping=way, groups=groups)
    order = np.argsort(-ranges, kind="stable")
    parts = np.array_split(order, BINS)
    largest = np.array([ranges[part[0]] for part in parts], np.float32)
    found = grouping.steps(largest, bits, grouping=way, groups=groups)
    steps = np.empty(len(ranges))
    for part, step in zip(parts, found, strict=True):
        steps[part] = step
    return steps


def table(rows: list[Row]) -> str:
    """The rows as aligned text: variances over that of one step for the whole tensor, and relative errors."""
    ways = [*(way for way in grouping.GROUPINGS if way != "tensor"), "outer"]
    head = f"{'layer':24} {'product':12} {'channels':>8} {'spread':>7}"
    head += (
        "".join(f" {way:>8}" for way in ways)
        + f" {'error tensor':>13} {'error shift':>12} {'error outer':>12}"
    )
    lines = ["variance over that of one step for the tensor; error: standard deviation over root mean square"]
    lines.append(head)
    for row in rows:
        line = f"{row.layer:24} {row.product:12} {row.channels:8,} {row.spread:7.1f}"
        line += "".join(f" {row.variance[way]:8.3f}" for way in ways)
        errors = (row.error[way] for way in ("tensor", "shift", "outer"))
        lines.append(line + " {:13.3f} {:12.3f} {:12.3f}".format(*errors))
    for product in ("grad_input", "grad_weight"):
        own = [row for row in rows if row.product == product]
        line = f"{'median':24} {product:12} {'':8} {np.median([row.spread for row in own]):7.1f}"
        line += "".join(f" {np.median([row.variance[way] for row in own]):8.3f}" for way in ways)
        errors = (np.median([row.error[way] for row in own]) for way in ("tensor", "shift", "outer"))
        lines.append(line + " {:13.3f} {:12.3f} {:12.3f}".format(*errors))
    return "\n".join(lines)
