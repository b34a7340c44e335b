"""SuperYOLO and YOLOv5: one detector, by width, depth, number of scales, and how bands are fused.

    bands --stem--> 0 --down, C3--> 2 --down, C3--> 4 --down, C3--> 6 --down, SPP, C3--> 9
    9 --1x1, up, with 6, C3--> 13 --1x1, up, with 4, C3--> 17 --> head at the finest stride
    three scales: 17 --down, with 14, C3--> 20 --down, with 10, C3--> 23, each with a head

SuperYOLO (arXiv 2209.13351) takes YOLOv5s without its Focus slice, so that all strides halve, and keeps
the finest head alone, at stride 4. With `focus` and three scales this is YOLOv5.
"""

import math
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from vedette.detect.models.blocks import C3, CBS, SPP, Focus
from vedette.detect.models.fusion import Fusion, Gate
from vedette.detect.models.head import ANCHORS, Head, Predictions
from vedette.errors import InputError

FusionForm = Literal["released", "paper", "learned", "concat", "mid1", "mid2", "mid3", "mid4"]
MIDDLE = ("mid1", "mid2", "mid3", "mid4")
PYRAMID = 4  # the deepest map is so many times smaller than the finest head's


class Yolo(nn.Module):
    """bands (b, c, h, w) in 0..1 --> predictions of every anchor; sides are multiples of `multiple`.

    Args:
        classes: how many.
        groups: bands of each group of the input, e.g. (3, 1) for RGB and infrared.
        fusion: of the groups: "released", "paper" or "learned" (see `Fusion`), "concat" (one convolution on
            all bands), or "mid1" ... "mid4": one stem for every group, whose outputs are joined after layer
            0, 1, 2 or 3. A single group has nothing to fuse: "concat".
        scales: heads; 1 (the finest) or 3.
        width, depth: of YOLOv5's l; 0.5 and 0.33 are its s.
        focus: begin with a Focus slice, which doubles all strides.
        oriented: boxes have an angle.
        anchors: pixels, (scales, 3, 2); None for the published ones.

    >>> model = Yolo(classes=2, groups=(3, 1), width=0.125)
    >>> model(torch.zeros(1, 4, 64, 64)).decode().shape  # 3 anchors at 16 x 16 places
    torch.Size([1, 768, 7])
    """

    def __init__(
        self,
        *,
        classes: int,
        groups: tuple[int, ...] = (3, 1),
        fusion: FusionForm = "released",
        scales: int = 1,
        width: float = 0.5,
        depth: float = 0.33,
        focus: bool = False,
        oriented: bool = False,
        anchors: Any = None,
    ) -> None:
        super().__init__()
        groups = tuple(groups)
        _check(classes, groups, fusion, scales, width, depth)
        self.groups, self.fusion, self.oriented = groups, fusion, oriented
        self.join = MIDDLE.index(fusion) if fusion in MIDDLE else -1  # the layer after which groups meet

        def c(channels: int) -> int:  # channels of the l at this width, in eights
            return max(8, math.ceil(channels * width / 8) * 8)

        def n(blocks: int) -> int:
            return max(1, round(blocks * depth))

        bands = 3 if fusion in MIDDLE else sum(groups)
        stem = c(64)
        gate: Gate | None = next((gate for gate in get_args(Gate) if gate == fusion), None)
        if gate is not None:
            stem = 2 * stem
            fused = Fusion(groups, stem, gate)
            # a Focus slice would halve the image before the bands met; the fused map is sliced instead
            self.stem: nn.Module = nn.Sequential(fused, Focus(stem, stem)) if focus else fused
        else:
            self.stem = Focus(bands, stem) if focus else CBS(bands, stem, 3)
        more = [len(groups) if self.join == layer else 1 for layer in range(4)]
        self.down1 = CBS(more[0] * stem, c(128), 3, stride=2)
        self.c3_2 = C3(more[1] * c(128), c(128), blocks=n(3))
        self.down3 = CBS(more[2] * c(128), c(256), 3, stride=2)
        self.c3_4 = C3(more[3] * c(256), c(256), blocks=n(9))
        self.down5 = CBS(c(256), c(512), 3, stride=2)
        self.c3_6 = C3(c(512), c(512), blocks=n(9))
        self.down7 = CBS(c(512), c(1024), 3, stride=2)
        self.spp8 = SPP(c(1024))
        self.c3_9 = C3(c(1024), c(1024), blocks=n(3), shortcut=False)
        self.lateral10 = CBS(c(1024), c(512))
        self.c3_13 = C3(2 * c(512), c(512), blocks=n(3), shortcut=False)
        self.lateral14 = CBS(c(512), c(256))
        self.c3_17 = C3(2 * c(256), c(256), blocks=n(3), shortcut=False)
        widths = [c(256)]
        if scales == 3:
            self.down18 = CBS(c(256), c(256), 3, stride=2)
            self.c3_20 = C3(2 * c(256), c(512), blocks=n(3), shortcut=False)
            self.down21 = CBS(c(512), c(512), 3, stride=2)
            self.c3_23 = C3(2 * c(512), c(1024), blocks=n(3), shortcut=False)
            widths += [c(512), c(1024)]
        stride = 8 if focus else 4
        sizes = ANCHORS[:scales] if anchors is None else anchors
        self.head = Head(widths, classes, stride=stride, anchors=sizes, oriented=oriented)
        self.multiple = stride * PYRAMID
        self.taps = (c(256), c(1024))  # channels of what `features` returns first

    def features(self, bands: Float[Tensor, "b c h w"]) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Map 4 (fine), map 8 (deep), and the maps that go to the heads."""
        if bands.shape[1] != sum(self.groups) or any(side % self.multiple for side in bands.shape[2:]):
            raise InputError(
                f"an input of shape {tuple(bands.shape)}",
                hint=f"{sum(self.groups)} bands and sides of a multiple of {self.multiple} are needed",
            )
        return self.unchecked(bands)

    def unchecked(self, bands: Float[Tensor, "b c h w"]) -> tuple[Tensor, Tensor, list[Tensor]]:
        """`features` of an input that fits; for tracing, which cannot follow a check."""
        layers = (self.stem, self.down1, self.c3_2, self.down3)
        if self.join < 0:
            x = bands
            for layer in layers:
                x = layer(x)
        else:
            parts = [_three(group) for group in bands.split(self.groups, dim=1)]
            for layer in layers[: self.join + 1]:
                parts = [layer(part) for part in parts]
            x = torch.cat(parts, dim=1)
            for layer in layers[self.join + 1 :]:
                x = layer(x)
        fine = self.c3_4(x)
        middle = self.c3_6(self.down5(fine))
        deep = self.spp8(self.down7(middle))
        top = self.lateral10(self.c3_9(deep))
        lateral = self.lateral14(self.c3_13(torch.cat([_doubled(top), middle], dim=1)))
        maps = [self.c3_17(torch.cat([_doubled(lateral), fine], dim=1))]
        if len(self.head.convs) == 3:
            maps.append(self.c3_20(torch.cat([self.down18(maps[0]), lateral], dim=1)))
            maps.append(self.c3_23(torch.cat([self.down21(maps[1]), top], dim=1)))
        return fine, deep, maps

    def forward(self, bands: Float[Tensor, "b c h w"]) -> Predictions:
        return self.head(self.features(bands)[2])

    def fuse(self) -> "Yolo":
        """Take batch normalization into the convolutions; for inference."""
        for module in self.modules():
            if isinstance(module, CBS):
                module.fuse()
        return self.eval()


def _doubled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


def _three(group: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 3 h w"]:
    return group if group.shape[1] == 3 else group.repeat(1, 3, 1, 1)


def _check(
    classes: int, groups: tuple[int, ...], fusion: str, scales: int, width: float, depth: float
) -> None:
    if classes < 1 or not groups or min(groups) < 1:
        raise InputError(f"{classes} classes and groups {groups} of bands", hint="give at least one of each")
    if scales not in (1, 3):
        raise InputError(f"{scales} scales", hint="1 or 3")
    if not 0 < width <= 2 or not 0 < depth <= 2:
        raise InputError(f"width {width} and depth {depth}", hint="give numbers above 0, up to 2")
    if fusion not in get_args(FusionForm):
        raise InputError(f"no fusion {fusion!r}", hint=f"one of {', '.join(get_args(FusionForm))}")
    if fusion in MIDDLE and not set(groups) <= {1, 3}:
        raise InputError(f"{fusion} on groups of {groups} bands", hint="it needs groups of 1 or 3 bands")
