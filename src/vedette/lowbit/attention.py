"""Attention whose two products, scores and mixture, are of integers, forward and backward.

Each operand of each product has one step; gradients are rounded stochastically. The products are small and
many (a batch of heads), so that this saves no time on a processor; it is for networks that will run in
integers.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd import Function

from vedette.lowbit import quantized
from vedette.lowbit.backends import Route, product, quantize, ranges
from vedette.lowbit.eager import eager
from vedette.lowbit.layers import LowBitLayer
from vedette.lowbit.operands import Matrix
from vedette.nn.classify import Attention as FloatAttention
from vedette.numerics.symmetric import magnitude


class _BatchProduct(Function):
    """a (b, m, k) times the transpose of b (b, n, k), matrix by matrix."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, layer: LowBitLayer) -> Tensor:
        config, route = layer.config, layer.route_on(a.device)
        ctx.layer, ctx.route = layer, route
        try:
            left, right = (
                quantized.activation(x.flatten(0, 1), config.act_bits, route, clip="max") for x in (a, b)
            )
        except quantized.NotFinite:
            quantized.refuse_or_warn(config, f"an operand of {layer.name}")
            ctx.shapes = a.shape, b.shape
            ctx.finite = False
            return a.new_full((*a.shape[:2], b.shape[1]), torch.nan)
        ctx.finite = True
        ints = left.values.reshape(a.shape), right.values.reshape(b.shape)
        ctx.save_for_backward(*ints, left.scale, right.scale)
        ctx.q = left.q, right.q
        return _all(ints[0], ints[1], left.scale * right.scale, left.q * right.q, route)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        layer, route = ctx.layer, ctx.route
        if not ctx.finite:
            return g.new_full(ctx.shapes[0], torch.nan), g.new_full(ctx.shapes[1], torch.nan), None
        a, b, a_scale, b_scale = ctx.saved_tensors
        bits = layer.config.grad_bits
        flat = g.contiguous().flatten(0, 1)
        try:
            inverse, scale = quantized.inverse_of(ranges(flat, route, columns=False)[0].amax()[None], bits)
        except quantized.NotFinite:
            quantized.refuse_or_warn(layer.config, f"the gradient of {layer.name}")
            return g.new_full(a.shape, torch.nan), g.new_full(b.shape, torch.nan), None
        q = magnitude(bits)
        seeds = layer.seeds()
        one, other = (
            quantize(
                flat, inverse, route, bits=bits, seed=next(seeds) if layer.config.stochastic else None
            ).reshape(g.shape)
            for _ in range(2)
        )
        grad_a = _all(one, b.transpose(1, 2), scale * b_scale, q * ctx.q[1], route)
        grad_b = _all(other.transpose(1, 2), a.transpose(1, 2), scale * a_scale, q * ctx.q[0], route)
        return grad_a, grad_b, None


def _all(a: Tensor, b: Tensor, scale: Tensor, largest: int, route: Route) -> Tensor:
    """Products a b^T of every pair, in float."""
    rows, columns = scale.expand(a.shape[1]).contiguous(), scale.new_ones(b.shape[1])
    pairs = zip(a.contiguous(), b.contiguous(), strict=True)
    return torch.stack(
        [product(Matrix(x), Matrix(y), rows, columns, None, route, largest=largest) for x, y in pairs]
    )


class Attention(FloatAttention, LowBitLayer):
    """`nn.classify.Attention` with integer products of attention."""

    @eager
    def forward(self, x: Float[Tensor, "b tokens d"]) -> Float[Tensor, "b tokens d"]:
        batch, tokens, width = x.shape
        parts = self.qkv(x).reshape(batch, tokens, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        q, k, v = parts.float().flatten(1, 2)
        with torch.autocast(x.device.type, enabled=False):
            scores = _BatchProduct.apply(q * q.shape[-1] ** -0.5, k, self)
            mixed = _BatchProduct.apply(scores.softmax(-1), v.transpose(1, 2).contiguous(), self)
        heads = mixed.reshape(batch, self.num_heads, tokens, -1).transpose(1, 2)
        return self.proj(heads.reshape(batch, tokens, width).to(x.dtype))
