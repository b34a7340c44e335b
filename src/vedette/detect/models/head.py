"""The head: a 1x1 convolution for each scale, and what its numbers mean.

For each of three anchors: x, y, w, h, [sin 2t, cos 2t,] objectness, classes. With s = sigmoid:
    center = (2 s(x) - 0.5 + cell) * stride,    size = (2 s(w))^2 * anchor            (as YOLOv5)
Turned boxes are PROPOSED (ours): the angle t is half the direction of the pair, so that a box turned by
half a turn is the same box, with nothing to wrap around.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from vedette.errors import InputError

# pixels at strides 4, 8, 16 (8, 16, 32 with Focus); published for VEDAI at 512 pixels
ANCHORS = (
    ((10.0, 13.0), (16.0, 30.0), (33.0, 23.0)),
    ((30.0, 61.0), (62.0, 45.0), (59.0, 119.0)),
    ((116.0, 90.0), (156.0, 198.0), (373.0, 326.0)),
)
PER_PLACE = 3


@dataclass(frozen=True)
class Predictions:
    """What the head says of a batch: for each scale (b, 3, h, w, 5 + classes [+ 2]), before any sigmoid."""

    maps: list[Tensor]
    head: "Head"

    def decode(self) -> Float[Tensor, "b n k"]:
        """Rows of center x and y, width, height (pixels), [angle,] objectness and classes (0 to 1)."""
        return self.head.decode(self.maps)


class Head(nn.Module):
    """Maps of the given widths to predictions.

    Args:
        widths: channels of each map.
        stride: of the first; each next one has twice as much.
        anchors: width and height in pixels, (maps, 3, 2).
    """

    anchors: Tensor

    def __init__(self, widths: list[int], classes: int, *, stride: int, anchors: Any, oriented: bool) -> None:
        super().__init__()
        sizes = np.asarray(anchors, dtype=np.float32)
        if sizes.shape != (len(widths), PER_PLACE, 2) or not (sizes > 0).all():
            raise InputError(
                f"anchors of shape {sizes.shape}",
                hint=f"({len(widths)}, {PER_PLACE}, 2) widths and heights in pixels are needed",
            )
        self.classes, self.oriented = classes, oriented
        self.strides = [stride * 2**scale for scale in range(len(widths))]
        self.values = 5 + classes + 2 * oriented
        self.register_buffer("anchors", torch.tensor(sizes.tolist()))
        self.convs = nn.ModuleList(nn.Conv2d(width, PER_PLACE * self.values, 1) for width in widths)
        self._start()

    @torch.no_grad()
    def _start(self) -> None:
        """Begin with the belief of 8 objects in an image of 640 pixels, and of even classes."""
        first = 4 + 2 * self.oriented
        for conv, stride in zip(self.convs, self.strides, strict=True):
            assert isinstance(conv, nn.Conv2d) and conv.bias is not None
            bias = conv.bias.view(PER_PLACE, -1)
            bias[:, first] += math.log(8 / (640 / stride) ** 2)
            if self.classes > 1:  # a single class is as sure as the object is
                bias[:, first + 1 :] += math.log(0.6 / (self.classes - 0.99))
            if self.oriented:
                bias[:, 5] += 1.0  # cos 2t: upright

    def forward(self, maps: list[Tensor]) -> Predictions:
        said = []
        for conv, x in zip(self.convs, maps, strict=True):
            b, _, h, w = x.shape
            said.append(conv(x).view(b, PER_PLACE, self.values, h, w).permute(0, 1, 3, 4, 2))
        return Predictions(said, self)

    def decode(self, maps: list[Tensor]) -> Float[Tensor, "b n k"]:
        """See `Predictions.decode`."""
        rows = []
        for x, anchors, stride in zip(maps, self.anchors, self.strides, strict=True):
            h, w = x.shape[2:4]
            x = x.float()
            across = torch.arange(w, device=x.device, dtype=torch.float32).view(1, 1, 1, w, 1)
            down = torch.arange(h, device=x.device, dtype=torch.float32).view(1, 1, h, 1, 1)
            place = torch.cat([across.expand(1, 1, h, w, 1), down.expand(1, 1, h, w, 1)], dim=-1)
            center = (2 * x[..., :2].sigmoid() - 0.5 + place) * stride
            size = (2 * x[..., 2:4].sigmoid()).square() * anchors.view(1, PER_PLACE, 1, 1, 2)
            parts = [center, size]
            if self.oriented:
                parts.append(0.5 * torch.atan2(x[..., 4:5], x[..., 5:6]))
            parts.append(x[..., 4 + 2 * self.oriented :].sigmoid())
            rows.append(torch.cat(parts, dim=-1).flatten(1, 3))
        return torch.cat(rows, dim=1)
