"""A ReLU that keeps one bit for each value, where torch keeps the values themselves."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd import Function

from vedette.lowbit.eager import eager


class _Masked(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = x.relu()
        positive = x > 0
        ctx.shape, ctx.order = x.shape, sorted(range(x.ndim), key=x.stride, reverse=True)
        if x.device.type == "cpu":
            # as it lies in memory, so that images in channels-last order are not copied
            flat = positive.permute(*ctx.order).reshape(-1)
            positive = torch.from_numpy(np.packbits(flat.numpy()))
        ctx.save_for_backward(positive)
        return y

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (positive,) = ctx.saved_tensors
        if positive.dtype == torch.uint8:
            flat = np.unpackbits(positive.numpy(), count=ctx.shape.numel())
            laid = torch.from_numpy(flat.view(bool)).reshape([ctx.shape[d] for d in ctx.order])
            positive = laid.permute(*np.argsort(ctx.order).tolist())
        return g * positive


class ReLU(nn.ReLU):
    """nn.ReLU, which keeps a bit for each value for the backward pass.

    >>> x = torch.tensor([-1.0, 2.0], requires_grad=True)
    >>> ReLU()(x).sum().backward()
    >>> x.grad.tolist()
    [0.0, 1.0]
    """

    @eager
    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return _Masked.apply(x)
