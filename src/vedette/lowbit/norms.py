"""Normalization by mean absolute deviation (L1), by range or by standard deviation (L2), in integers or in
float.

    d = x - mean(x),   m = kappa mean|d|,   xhat = d / (m + eps),   y = gamma xhat + beta
    dx = (t - mean(t) - kappa mean(t xhat) (sign(d) - mean(sign(d)))) / (m + eps),   t = gamma dy

kappa = sqrt(pi / 2) makes m the standard deviation of Gaussian values (Wu et al. 2018), so that a network
trained with L2 can be converted. In integers the input, the output and the gradient are of `norm_bits`; sums
are integers and the map of each group float32 (`numerics.norm8`). Away from the CPU the same steps are taken
in float on quantized values. `running_var` holds the square of m, so that state dicts of converted networks
go both ways.
"""

import math
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd import Function

from vedette.lowbit import quantized
from vedette.lowbit.backends import quantize, ranges
from vedette.lowbit.config import LowBit
from vedette.lowbit.eager import eager
from vedette.lowbit.layers import LowBitLayer
from vedette.numerics import norm8

KAPPA = math.sqrt(math.pi / 2)


def range_factor(count: int) -> float:
    """1 / (2 sqrt(2 ln n)): the range of n Gaussian values times it is about their standard deviation.

    Banner et al., arXiv 1805.11046, whose factor this is up to rounding of constants.

    >>> round(range_factor(1024), 3)
    0.134
    """
    return 1 / (2 * math.sqrt(2 * math.log(max(count, 2))))


def deviation(d: Float[Tensor, "m n"], kind: str, dim: int, eps: float) -> Float[Tensor, "..."]:
    """m + eps of centered values along `dim`, kept as a dimension of one; for L2 the root of variance +
    eps.
    """
    if kind == "l1":
        return KAPPA * d.abs().mean(dim, keepdim=True) + eps
    if kind == "range":
        spread = d.amax(dim, keepdim=True) - d.amin(dim, keepdim=True)
        return range_factor(d.shape[dim]) * spread + eps
    return (d.square().mean(dim, keepdim=True) + eps).sqrt()


class _Standardized(Function):
    """xhat of a matrix in float, and its gradient by the formulas above; returns xhat, mean and m + eps."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, kind: str, dim: int, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        mean = x.mean(dim, keepdim=True)
        d = x - mean
        m = deviation(d, kind, dim, eps)
        ctx.kind, ctx.dim = kind, dim
        xhat = d / m
        ctx.save_for_backward(xhat, m)
        ctx.mark_non_differentiable(mean, m)
        return xhat, mean, m

    @staticmethod
    def backward(ctx: Any, t: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        xhat, m = ctx.saved_tensors
        dim = ctx.dim
        along = (t * xhat).mean(dim, keepdim=True)
        if ctx.kind == "l1":
            s = xhat.sign()
            turn = KAPPA * (s - s.mean(dim, keepdim=True))
        elif ctx.kind == "range":
            high, low = (xhat == f(xhat, dim, keepdim=True) for f in (torch.amax, torch.amin))
            ends = high / high.sum(dim, keepdim=True) - low / low.sum(dim, keepdim=True)
            turn = range_factor(xhat.shape[dim]) * xhat.shape[dim] * ends
        else:
            turn = xhat
        return (t - t.mean(dim, keepdim=True) - along * turn) / m, None, None, None


class _Integer(Function):
    """y of a matrix in integers of `bits`: groups are rows, or columns. Returns y, mean and m + eps of each
    group.

    Args of forward:
        gain, offset: gamma and beta, of each column.
        running: mean and m + eps to use instead of the batch's; columns only.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        gain: Tensor,
        offset: Tensor,
        rows: bool,
        kind: str,
        eps: float,
        bits: int,
        layer: LowBitLayer,
        running: tuple[Tensor, Tensor] | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        route = layer.route_on(x.device)
        ctx.layer, ctx.rows, ctx.kind, ctx.bits, ctx.route = layer, rows, kind, bits, route
        try:  # rows may each have a step of their own: normalization takes it out again
            xq = quantized.weight(x, bits, route) if rows else quantized.activation(x, bits, route)
        except quantized.NotFinite:
            quantized.refuse_or_warn(layer.config, f"the input of {layer.name}")
            ctx.finite = False
            ctx.shape = x.shape
            groups = x.new_full((x.shape[0 if rows else 1],), torch.nan)
            ctx.mark_non_differentiable(groups)
            return torch.full_like(x, torch.nan), groups, groups.clone()
        ctx.finite = True
        values = xq.values.numpy()
        step = xq.scale
        found = norm8.statistics(values, rows=rows, squared=kind == "l2", threads=torch.get_num_threads())
        means = torch.from_numpy(found.means)
        spread = torch.from_numpy((found.deviations / found.count).astype(np.float32))
        if kind == "range":
            width = found.most.astype(np.float32) - found.least.astype(np.float32)
            m = range_factor(found.count) * step * torch.from_numpy(width) + eps
        elif kind == "l2":
            # squares are about the rounded mean
            about = means - means.round()
            m = (step.square() * (spread - about.square()) + eps).sqrt()
        else:
            m = KAPPA * step * spread + eps
        batch_mean, batch_m = means * step, m
        if running is not None:
            mean, m = running
            safe = torch.where(step > 0, step, torch.ones_like(step))
            means = mean / safe
        inverse = 1 / m
        a, b = step * inverse, -means * step * inverse  # xhat = x a + b
        ends = torch.stack(
            [torch.from_numpy(e.astype(np.float32)) * a + b for e in (found.least, found.most)]
        )
        if rows:
            most = (gain.abs() * ends.abs().max() + offset.abs()).max()
        else:
            most = (gain * ends + offset).abs().max()
        out_inverse, out_step = quantized.inverse_of(most[None], bits)
        u = out_inverse
        options: dict[str, Any] = {"rows": rows, "step": float(out_step), "threads": torch.get_num_threads()}
        if rows:
            options |= {"gain": (gain * u).numpy(), "offset": (offset * u).numpy()}
        else:
            a, b = a * gain * u, (b * gain + offset) * u
        y = torch.from_numpy(norm8.apply(values, a.numpy(), b.numpy(), **options))
        ctx.fixed = running is not None
        ctx.save_for_backward(xq.values, step, means, inverse, gain)
        ctx.mark_non_differentiable(batch_mean, batch_m)
        return y, batch_mean, batch_m

    @staticmethod
    def backward(ctx: Any, g: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        none = (None,) * 6
        layer, rows, bits, route = ctx.layer, ctx.rows, ctx.bits, ctx.route
        if not ctx.finite:
            nan = g.new_full(ctx.shape, torch.nan)
            return (nan, nan[0], nan[0], *none)
        values, step, means, inverse, gain = ctx.saved_tensors
        g = g.contiguous()
        x = values.numpy()
        t = g * gain if rows else g
        limits = ranges(t, route, rows=rows, columns=not rows)[0 if rows else 1]
        try:
            factors, worth = quantized.inverse_of(limits, bits)
        except quantized.NotFinite:
            quantized.refuse_or_warn(layer.config, f"the gradient of {layer.name}")
            nan = torch.full_like(g, torch.nan)
            return (nan, nan[0], nan[0], *none)
        seed = next(layer.seeds()) if layer.config.stochastic else None
        if rows:
            tq = quantize(t, factors, route, bits=bits, seed=seed)
        else:
            tq = quantize(t, g.new_ones(1), route, bits=bits, columns=factors, seed=seed)
        count = t.shape[1 if rows else 0]
        sums = norm8.gradient_sums(tq.numpy(), x, means.numpy(), rows=rows, threads=torch.get_num_threads())
        total, with_x, signs = (torch.from_numpy(s.astype(np.float64)) for s in sums)
        mean_t = (worth * total / count).float()
        mean_tx = (worth * step * inverse * (with_x - means.double() * total) / count).float()
        mean_sign = (signs / count).float()
        outer = inverse if rows else inverse * gain
        if ctx.fixed:
            zero = torch.zeros_like(outer)
            p, q, r = outer * worth, zero, zero
        elif ctx.kind == "l2":
            r = -outer * mean_tx * step * inverse
            p, q = outer * worth, -outer * mean_t - r * means
        else:
            r = -outer * KAPPA * mean_tx
            p, q = outer * worth, -outer * mean_t - r * mean_sign
        options = {"rows": rows, "linear": ctx.kind == "l2", "threads": torch.get_num_threads()}
        arrays = [v.numpy() for v in (means, p, q, r)]
        dx = torch.from_numpy(norm8.gradient(tq.numpy(), x, *arrays, **options))
        if rows:
            xhat = (values.float() - means[:, None]) * (step * inverse)[:, None]
            return (dx, (g * xhat).sum(0), g.sum(0), *none)
        return (dx, mean_tx * count, mean_t * count, *none)


def normalized(
    x: Float[Tensor, "m n"],
    gain: Float[Tensor, " n"],
    offset: Float[Tensor, " n"],
    layer: LowBitLayer,
    *,
    rows: bool,
    eps: float,
    running: tuple[Tensor, Tensor] | None = None,
) -> tuple[Float[Tensor, "m n"], Float[Tensor, " groups"], Float[Tensor, " groups"]]:
    """y, and mean and m + eps of the batch, by the layer's configuration."""
    kind, bits = layer.config.norm, layer.config.norm_bits
    if bits is not None and x.device.type == "cpu" and kind in ("l1", "l2"):
        return _Integer.apply(x, gain, offset, rows, kind, eps, bits, layer, running)
    if bits is not None:
        x = _Rounded.apply(x, bits, layer, rows)
    dim = 1 if rows else 0
    xhat, mean, m = _Standardized.apply(x, kind, dim, eps)
    if running is not None:
        xhat = (x - running[0]) / running[1]
    y = xhat * gain + offset
    return (y if bits is None else _Rounded.apply(y, bits, layer, rows)), mean.flatten(), m.flatten()


class _Rounded(Function):
    """To nearest forward; its gradient stochastically. Both by the largest magnitude of the whole tensor."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, bits: int, layer: LowBitLayer, rows: bool) -> Tensor:
        ctx.bits, ctx.layer = bits, layer
        try:
            found = quantized.activation(x.contiguous(), bits, layer.route_on(x.device))
        except quantized.NotFinite:
            quantized.refuse_or_warn(layer.config, f"the input of {layer.name}")
            return x
        return found.values.float() * found.scale

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        layer, route = ctx.layer, ctx.layer.route_on(g.device)
        g = g.contiguous()
        try:
            inverse, step = quantized.inverse_of(ranges(g, route)[0].amax()[None], ctx.bits)
        except quantized.NotFinite:
            quantized.refuse_or_warn(layer.config, f"the gradient of {layer.name}")
            return g, None, None, None
        seed = next(layer.seeds()) if layer.config.stochastic else None
        return quantize(g, inverse, route, bits=ctx.bits, seed=seed).float() * step, None, None, None


class BatchNorm2d(nn.BatchNorm2d, LowBitLayer):
    """nn.BatchNorm2d by L1, range or L2, as `config` says.

    >>> layer = BatchNorm2d(4)
    >>> layer(torch.randn(2, 4, 3, 3)).shape
    torch.Size([2, 4, 3, 3])
    """

    def __init__(self, channels: int, *, config: LowBit | None = None, **options: Any) -> None:
        super().__init__(channels, **options)
        self.configure(config or LowBit())

    @eager
    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        matrix = x.permute(0, 2, 3, 1).reshape(-1, x.shape[1]).float().contiguous()
        own = self.running_mean is None or self.training
        running = None
        if not own:
            assert self.running_mean is not None and self.running_var is not None
            running = (self.running_mean.float(), self.running_var.float().sqrt() + self.eps)
        with torch.autocast(x.device.type, enabled=False):
            y, mean, m = normalized(
                matrix, *_affine(self, x.shape[1]), self, rows=False, eps=self.eps, running=running
            )
        if self.training and self.running_mean is not None:
            assert self.running_var is not None and self.num_batches_tracked is not None
            self.num_batches_tracked += 1
            share = self.momentum if self.momentum is not None else 1 / float(self.num_batches_tracked)
            if bool(torch.isfinite(mean).all()):  # a step that is skipped must not be remembered
                for kept, new in ((self.running_mean, mean), (self.running_var, (m - self.eps).square())):
                    kept.lerp_(new.to(kept.dtype), share)
        return y.reshape(len(x), *x.shape[2:], -1).permute(0, 3, 1, 2).to(x.dtype)


class LayerNorm(nn.LayerNorm, LowBitLayer):
    """nn.LayerNorm by L1, range or L2, as `config` says.

    >>> LayerNorm(8)(torch.randn(2, 3, 8)).shape
    torch.Size([2, 3, 8])
    """

    def __init__(self, shape: int | list[int], *, config: LowBit | None = None, **options: Any) -> None:
        super().__init__(shape, **options)
        self.configure(config or LowBit())

    @eager
    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        if not x.numel():
            return super().forward(x)
        width = math.prod(self.normalized_shape)
        matrix = x.reshape(-1, width).float().contiguous()
        with torch.autocast(x.device.type, enabled=False):
            y = normalized(matrix, *_affine(self, width), self, rows=True, eps=self.eps)[0]
        return y.reshape(x.shape).to(x.dtype)


class GroupNorm(nn.GroupNorm, LowBitLayer):
    """nn.GroupNorm by L1, range or L2, as `config` says.

    >>> GroupNorm(2, 4)(torch.randn(2, 4, 3, 3)).shape
    torch.Size([2, 4, 3, 3])
    """

    def __init__(self, groups: int, channels: int, *, config: LowBit | None = None, **options: Any) -> None:
        super().__init__(groups, channels, **options)
        self.configure(config or LowBit())

    @eager
    def forward(self, x: Float[Tensor, "b c *shape"]) -> Float[Tensor, "b c *shape"]:
        if not x.numel():
            return super().forward(x)
        matrix = x.reshape(len(x) * self.num_groups, -1).float().contiguous()
        one, zero = matrix.new_ones(matrix.shape[1]), matrix.new_zeros(matrix.shape[1])
        with torch.autocast(x.device.type, enabled=False):
            xhat = normalized(matrix, one, zero, self, rows=True, eps=self.eps)[0]
        gain, offset = (v.reshape(-1, *(1,) * (x.ndim - 2)) for v in _affine(self, x.shape[1]))
        return (xhat.reshape(x.shape) * gain + offset).to(x.dtype)


def _affine(layer: Any, width: int) -> tuple[Tensor, Tensor]:
    """gamma and beta, or ones and zeros."""
    gain = torch.ones(width) if layer.weight is None else layer.weight.float().flatten()
    return gain, torch.zeros_like(gain) if layer.bias is None else layer.bias.float().flatten()
