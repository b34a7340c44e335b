"""The super-resolution branch of SuperYOLO: it exists while a detector learns and belongs to its task.

    map 4 (fine) --1x1--> low;  map 8 (deep) --1x1--> high;  both to one size, concat
    --3x3, 3x3, 1x1--> 64 channels --residual blocks (EDSR), pixel shuffles--> image, `factor` times as fine

Architecture as released (specification section 3); for other widths of the detector it scales along
(ours). The released code has 16 residual blocks and factor 2; fewer blocks and other factors are PROPOSED.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from vedette.errors import InputError

TAP_STRIDE = 4  # of the fine map, for a detector without Focus
DEEP_STRIDE = 4  # of the deep map, in places of the fine one
FEATURES = 64


class ResidualConvs(nn.Module):
    """3x3, ReLU, 3x3, plus the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return x + self.second(torch.relu(self.first(x)))


class SuperResolution(nn.Module):
    """Two maps of the backbone to an image of `factor` times the detector's input size.

    Args:
        taps: channels of the fine and the deep map (`Yolo.taps`).
        bands: of the image.
        factor: 1, 2 or 4.
        blocks: residual blocks; 16 as published, 8 or 4 are cheaper.

    >>> branch = SuperResolution((128, 512), bands=4)
    >>> round(sum(p.numel() for p in branch.parameters()) / 1e6, 3)  # published: 2.881 M
    2.881
    """

    def __init__(self, taps: tuple[int, int], bands: int, *, factor: int = 2, blocks: int = 16) -> None:
        super().__init__()
        if factor not in (1, 2, 4) or blocks < 1:
            raise InputError(
                f"super-resolution by {factor} with {blocks} blocks",
                hint="by 1, 2 or 4, and at least one block",
            )
        fine, deep = taps
        self.factor = factor
        self.low = nn.Conv2d(fine, fine // 2, 1, bias=False)
        self.high = nn.Conv2d(deep, deep // 2, 1, bias=False)
        self.encode = nn.Sequential(
            nn.Conv2d(fine // 2 + deep // 2, 2 * fine, 3, padding=1, bias=False),
            nn.ReLU(),
            nn.Conv2d(2 * fine, fine, 3, padding=1, bias=False),
            nn.ReLU(),
            nn.Conv2d(fine, FEATURES, 1),
        )
        self.head = nn.Conv2d(FEATURES, FEATURES, 3, padding=1)
        self.body = nn.Sequential(
            *(ResidualConvs(FEATURES) for _ in range(blocks)), nn.Conv2d(FEATURES, FEATURES, 3, padding=1)
        )
        # factor 4 doubles the features first, as the released code does; three shuffles are for 2 and 4
        shuffles = int(math.log2(TAP_STRIDE * min(factor, 2)))
        up: list[nn.Module] = []
        for _ in range(shuffles):
            up += [nn.Conv2d(FEATURES, 4 * FEATURES, 3, padding=1), nn.PixelShuffle(2)]
        self.tail = nn.Sequential(*up, nn.Conv2d(FEATURES, bands, 3, padding=1))
        for module in (self.low, self.high, *self.encode):
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    def forward(
        self, fine: Float[Tensor, "b f h w"], deep: Float[Tensor, "b d h2 w2"]
    ) -> Float[Tensor, "b c H W"]:
        low, high = torch.relu(self.low(fine)), torch.relu(self.high(deep))
        size = [side * max(1, self.factor // 2) for side in low.shape[2:]]
        parts = [functional.interpolate(x, size, mode="bilinear", align_corners=True) for x in (low, high)]
        x = self.head(self.encode(torch.cat(parts, dim=1)))
        return self.tail(x + self.body(x))


def matching_windows(
    height: int, width: int, share: float, generator: torch.Generator
) -> tuple[slice, slice, slice, slice]:
    """A random window of the fine map and the same one of the deep map: rows, columns, rows, columns.

    Its sides are about `share` of the map's, in steps of the deep map. Cheap training sees only so much.

    >>> rows, cols, deep_rows, _ = matching_windows(32, 32, 0.5, torch.Generator().manual_seed(0))
    >>> rows.stop - rows.start, deep_rows.stop - deep_rows.start
    (16, 4)
    """
    spans = []
    for side in (height, width):
        steps = side // DEEP_STRIDE
        length = max(1, round(steps * share))
        first = int(torch.randint(steps - length + 1, (1,), generator=generator))
        spans.append((first, first + length))
    (top, bottom), (left, right) = spans
    return (
        slice(top * DEEP_STRIDE, bottom * DEEP_STRIDE),
        slice(left * DEEP_STRIDE, right * DEEP_STRIDE),
        slice(top, bottom),
        slice(left, right),
    )
