"""Memory order of convolutional networks."""

from typing import TypeVar

import torch
from torch import nn

M = TypeVar("M", bound=nn.Module)


def channels_last(model: M) -> M:
    """`model` with its filters in channels-last order, in place; convolutions then give images in that order.

    >>> channels_last(nn.Conv2d(3, 4, 3)).weight.is_contiguous(memory_format=torch.channels_last)
    True
    """
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's overloads lack it alone
    return model
