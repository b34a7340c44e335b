"""Linear and convolutional layers whose three products are of integers.

    forward      Y  = X W^T     X by tensor, W by row, both to nearest
    grad_input   dX = dY W      dY in groups of output channels, the scales of W's rows folded in
    grad_weight  dW = dY^T X    dY in groups of samples; X is the integer copy kept from the forward pass

The gradient is quantized twice, with draws of its own each time, for its groups lie along the dimension that
each product sums. What a product does not take in integers it takes in float of the same quantized values.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd import Function

from vedette.lowbit import quantized
from vedette.lowbit.backends import Route, laid_out, product, ranges, route_for
from vedette.lowbit.config import LowBit
from vedette.lowbit.eager import eager
from vedette.lowbit.operands import Matrix, Operand, Patches

SUM_MOST = (1 << 31) - 1


class _Geometry:
    """How a layer's products are laid out: here those of a matrix; `_Convolution` has those of patches."""

    def forward(self, x: Tensor, weight: Tensor) -> tuple[Operand, Operand]:
        return Matrix(x), Matrix(weight)

    def grad_input(self, g: Tensor, weight: Tensor) -> tuple[Operand, Operand]:
        return Matrix(g), Matrix(weight, inner_first=True)

    def grad_weight(self, g: Tensor, x: Tensor) -> tuple[Operand, Operand]:
        return Matrix(g, inner_first=True), Matrix(x, inner_first=True)

    def grad_weight_parts(self, g: Tensor, x: Tensor, most: int) -> Iterator[tuple[int, Operand, Operand]]:
        """The same in parts of at most so many samples, each with how many it has."""
        for own_g, own_x in zip(g.split(most), x.split(most), strict=True):
            yield len(own_g), *self.grad_weight(own_g, own_x)

    def repeats(self) -> int:
        """How often an output channel stands along the inner dimension of the input's gradient."""
        return 1

    def samples(self, g: Tensor) -> int:
        """How many blocks of the gradient's rows no sum of the input's gradient joins: here every row is
        one.
        """
        return len(g)


class _Convolution(_Geometry):
    def __init__(self, layer: "Conv2d", image: torch.Size) -> None:
        self.kernel = (layer.kernel_size[0], layer.kernel_size[1])
        self.stride, self.dilation = layer.stride[0], layer.dilation[0]
        self.padding = (int(layer.padding[0]), int(layer.padding[1]))
        self.image = image  # batch, height, width, channels
        self.out = tuple(
            (side + 2 * pad - self.dilation * (k - 1) - 1) // self.stride + 1
            for side, pad, k in zip(image[1:3], self.padding, self.kernel, strict=True)
        )

    def _patches(self, x: Tensor, *, inner: bool) -> Patches:
        return Patches(
            image=x.reshape(-1, *self.image[1:]),
            kernel=self.kernel,
            padding=self.padding,
            out=(self.out[0], self.out[1]),
            stride=self.stride,
            dilation=self.dilation,
            inner=inner,
        )

    def forward(self, x: Tensor, weight: Tensor) -> tuple[Operand, Operand]:
        return self._patches(x, inner=False), Matrix(weight)

    def grad_input(self, g: Tensor, weight: Tensor) -> tuple[Operand, Operand]:
        outputs, channels = weight.shape[0], self.image[3]
        flipped = weight.reshape(outputs, *self.kernel, channels).flip(1, 2).permute(3, 1, 2, 0)
        patches = Patches(
            image=g.reshape(-1, *self.out, outputs),
            kernel=self.kernel,
            padding=(
                self.dilation * (self.kernel[0] - 1) - self.padding[0],
                self.dilation * (self.kernel[1] - 1) - self.padding[1],
            ),
            out=(self.image[1], self.image[2]),
            dilation=self.dilation,
            up=self.stride,
        )
        return patches, Matrix(flipped.reshape(channels, -1).contiguous())

    def grad_weight(self, g: Tensor, x: Tensor) -> tuple[Operand, Operand]:
        return Matrix(g, inner_first=True), self._patches(x, inner=True)

    def grad_weight_parts(self, g: Tensor, x: Tensor, most: int) -> Iterator[tuple[int, Operand, Operand]]:
        batch = self.image[0]
        together = max(1, most * batch // max(1, len(g)))  # images
        outputs = g.reshape(batch, -1, g.shape[1]).split(together)
        inputs = x.reshape(batch, -1, x.shape[1]).split(together)
        for own_g, own_x in zip(outputs, inputs, strict=True):
            own_g, own_x = own_g.flatten(0, 1), own_x.flatten(0, 1)
            if len(own_g) <= most:
                yield len(own_g), *self.grad_weight(own_g, own_x)
                continue
            rows = laid_out(self._patches(own_x, inner=False))  # one image is too many pixels for one sum
            for some_g, some in zip(own_g.split(most), rows.split(most), strict=True):
                yield len(some_g), Matrix(some_g, inner_first=True), Matrix(some, inner_first=True)

    def repeats(self) -> int:
        return self.kernel[0] * self.kernel[1]

    def samples(self, g: Tensor) -> int:
        return self.image[0]


class _Product(Function):
    """The layer as torch's autograd sees it: samples (M, K) and a weight (N, K) to (M, N)."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        layer: "Linear | Conv2d",
        geometry: _Geometry,
    ) -> Tensor:
        config, route = layer.config, layer.route_on(x.device)
        ctx.layer, ctx.geometry, ctx.route = layer, geometry, route
        ctx.has_bias = bias is not None
        try:
            xq = quantized.activation(x, config.act_bits, route, clip=config.clip)
            wq = quantized.weight(weight, config.weight_bits, route)
        except quantized.NotFinite:
            quantized.refuse_or_warn(config, f"the input or the weight of {layer.name}")
            ctx.finite = False
            ctx.shapes = x.shape, weight.shape
            operands = geometry.forward(x, weight)
            return x.new_full((operands[0].shape[0], len(weight)), torch.nan)
        ctx.finite = True
        ctx.shapes = x.shape, weight.shape
        ctx.save_for_backward(quantized.packed(xq, route), xq.scale, quantized.packed(wq, route), wq.scale)
        left, right = geometry.forward(xq.values, wq.values)
        rows = xq.scale.expand(left.shape[0]).contiguous()
        ctx.magnitudes, ctx.signed = (xq.q, wq.q), xq.signed
        if config.forward:
            return product(left, right, rows, wq.scale, bias, route, largest=xq.q * wq.q)
        return _float_product(geometry.forward(x, weight), bias)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        layer, config, route, geometry = ctx.layer, ctx.layer.config, ctx.route, ctx.geometry
        x_shape, w_shape = ctx.shapes
        g = g.contiguous()
        need_x, need_w, need_bias = ctx.needs_input_grad[:3]
        bias = g.sum(0) if need_bias and ctx.has_bias else None
        rows, columns = ranges(g, route)
        if not ctx.finite or not bool(torch.isfinite(columns).all()):
            if ctx.finite:
                quantized.refuse_or_warn(config, f"the gradient of {layer.name}")
            return (
                g.new_full(x_shape, torch.nan) if need_x else None,
                g.new_full(w_shape, torch.nan) if need_w else None,
                bias,
                None,
                None,
            )
        kept_x, x_scale, kept_w, w_scale = ctx.saved_tensors
        x_q, w_q = ctx.magnitudes
        weight = quantized.unpacked(kept_w, True, w_shape)
        seeds = layer.seeds()
        grad_x = grad_w = None
        if need_x:
            if config.grad_input:
                grad_x = _grad_input(g, columns, weight, w_scale, w_q, config, route, geometry, next(seeds))
            else:
                grad_x = _float_product(geometry.grad_input(g, weight.float() * w_scale[:, None]))
        if need_w:
            x = quantized.unpacked(kept_x, ctx.signed, x_shape)
            if config.grad_weight:
                grad_w = _grad_weight(g, rows, x, x_scale, x_q, config, route, geometry, next(seeds))
            else:
                grad_w = _float_product(geometry.grad_weight(g, x.float() * x_scale))
        return grad_x, grad_w, bias, None, None


def _grad_input(
    g: Tensor,
    columns: Tensor,
    weight: Tensor,
    w_scale: Tensor,
    w_q: int,
    config: LowBit,
    route: Route,
    geometry: _Geometry,
    seed: int,
) -> Tensor:
    samples = geometry.samples(g)
    found = quantized.gradient(
        g, columns * w_scale, w_q, config, seed, route, by_row=False, fold=w_scale, samples=samples
    )
    if found.steps is not None:
        return _float_product(geometry.grad_input(found.values * found.steps, weight.float()))
    left, right = geometry.grad_input(found.values, weight)
    exponents = None if found.exponents is None else np.tile(found.exponents, geometry.repeats())
    scale = found.scale if len(found.scale) > 1 else found.scale.expand(samples)
    rows, ones = scale.repeat_interleave(left.shape[0] // max(1, samples)), g.new_ones(right.shape[0])
    return product(left, right, rows, ones, None, route, exponents=exponents, largest=found.largest)


def _grad_weight(
    g: Tensor,
    rows: Tensor,
    x: Tensor,
    x_scale: Tensor,
    x_q: int,
    config: LowBit,
    route: Route,
    geometry: _Geometry,
    seed: int,
) -> Tensor:
    found = quantized.gradient(g, rows, x_q, config, seed, route, by_row=True)
    if found.steps is not None:
        stepped = found.values * found.steps[:, None]
        return _float_product(geometry.grad_weight(stepped, x.float() * x_scale))
    # parts of which no sum leaves 32 bits; most often one
    total: Tensor | None = None
    start = 0
    for count, left, right in geometry.grad_weight_parts(found.values, x, SUM_MOST // found.largest):
        scale = found.scale.expand(left.shape[0]).contiguous()
        own, weight = None, 1.0
        if found.exponents is not None:
            own = found.exponents[start : start + count]
            weight = 2.0 ** int(found.exponents.max() - own.max())  # its sums are weighted by its own largest
        start += count
        columns = (x_scale * weight).expand(right.shape[0]).contiguous()
        piece = product(left, right, scale, columns, None, route, exponents=own, largest=found.largest)
        total = piece if total is None else total + piece
    assert total is not None
    return total


def _float_product(operands: tuple[Operand, Operand], bias: Tensor | None = None) -> Tensor:
    found = laid_out(operands[0]) @ laid_out(operands[1]).T
    return found if bias is None else found + bias


class LowBitLayer:
    """What both layers share: their configuration, their name in the network, the route, and fresh seeds."""

    config: LowBit
    name: str
    route: Route
    _index: int
    _calls: int

    def configure(self, config: LowBit, *, name: str = "", index: int = 0, route: Route = "auto") -> None:
        """Set bits and name; `index` is the layer's number in the network, for random draws of its own."""
        self.config, self.name, self.route = config, name or type(self).__name__, route
        self._index, self._calls = index, 0

    def route_on(self, device: torch.device) -> Route:
        """The route taken on `device`."""
        return route_for(device, self.route)

    def seeds(self) -> "itertools.count[int]":
        """Seeds that no other layer and no other call uses."""
        self._calls += 1
        base = (self.config.seed * 1_000_003 + self._index) * 0x100001 + 2 * self._calls
        return itertools.count(base & 0x7FFFFFFF)


class Linear(nn.Linear, LowBitLayer):
    """nn.Linear in low bits; inputs of any number of dimensions and any float type.

    >>> layer = Linear(8, 4)
    >>> layer(torch.ones(2, 3, 8)).shape
    torch.Size([2, 3, 4])
    """

    def __init__(self, inputs: int, outputs: int, bias: bool = True, *, config: LowBit | None = None) -> None:
        super().__init__(inputs, outputs, bias)
        self.configure(config or LowBit())

    @eager
    def forward(self, x: Float[Tensor, "*shape inputs"]) -> Float[Tensor, "*shape outputs"]:
        out = _apply(x.reshape(-1, x.shape[-1]), self.weight, self.bias, self, _Geometry())
        return out.reshape(*x.shape[:-1], self.out_features).to(_dtype(x))


class Conv2d(nn.Conv2d, LowBitLayer):
    """nn.Conv2d in low bits, for one group and one stride both ways. The image is quantized before its
    patches are taken, and the patches are never laid out.

    >>> Conv2d(3, 8, 3, padding=1)(torch.ones(1, 3, 5, 5)).shape
    torch.Size([1, 8, 5, 5])
    """

    def __init__(self, *args: Any, config: LowBit | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.configure(config or LowBit())

    @eager
    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        if not x.numel():
            return super().forward(x)
        image = x.permute(0, 2, 3, 1)
        geometry = _Convolution(self, image.shape)
        weight = self.weight.permute(0, 2, 3, 1).reshape(self.out_channels, -1)
        out = _apply(image.reshape(-1, image.shape[3]), weight, self.bias, self, geometry)
        return out.reshape(len(x), *geometry.out, -1).permute(0, 3, 1, 2).to(_dtype(x))


def _apply(
    x: Tensor, weight: Tensor, bias: Tensor | None, layer: Linear | Conv2d, geometry: _Geometry
) -> Tensor:
    given = [None if t is None else t.float().contiguous() for t in (x, weight, bias)]
    with torch.autocast(x.device.type, enabled=False):
        return _Product.apply(*given, layer, geometry)


def _dtype(x: Tensor) -> torch.dtype:
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
